#include "transformers/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace transformers {

void run_parallel(size_t count, const std::function<void(size_t)>& job, const ParallelOptions& options) {
  if (count == 0) return;
  const size_t chunk = std::clamp<size_t>(options.chunk, 1, count);
  const size_t chunks = (count - 1) / chunk + 1;
  const size_t wanted = options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  std::atomic<size_t> next = 0;  // chunks, which cannot overflow where indices could
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (size_t at = next++; at < chunks; at = next++)
        for (size_t i = at * chunk; i < count && i - at * chunk < chunk; ++i) job(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = chunks;
    }
  };
  {
    std::vector<std::jthread> helpers;
    try {
      for (size_t i = 1; i < std::min(wanted, chunks); ++i) helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // No more threads to be had: those there are do the work.
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace transformers
