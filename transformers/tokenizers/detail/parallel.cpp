#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "transformers/tokenizers/detail/pipeline.h"

namespace transformers::detail {

void run_parallel(size_t count, void (*call)(const void*, size_t), const void* work) {
  constexpr size_t kChunk = 16;
  const size_t threads =
      std::min<size_t>(std::max(1U, std::thread::hardware_concurrency()), (count + kChunk - 1) / kChunk);
  std::atomic<size_t> next = 0;
  std::exception_ptr failure;
  std::mutex mutex;
  const auto run = [&] {
    try {
      for (size_t begin = next.fetch_add(kChunk); begin < count; begin = next.fetch_add(kChunk))
        for (size_t i = begin; i < std::min(begin + kChunk, count); ++i) call(work, i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::jthread> helpers;
  for (size_t i = 1; i < threads; ++i) helpers.emplace_back(run);
  run();
  helpers.clear();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace transformers::detail
