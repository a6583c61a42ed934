#include "transformers/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "transformers/base/error.h"

namespace transformers {
namespace {

TEST(RunParallel, RunsEveryJobOnce) {
  for (const size_t threads : {size_t{0}, size_t{1}, size_t{3}, size_t{50}})
    for (const size_t chunk : {size_t{0}, size_t{1}, size_t{5}, size_t{37}, SIZE_MAX}) {
      std::vector<std::atomic<int>> runs(37);
      run_parallel(runs.size(), [&](size_t i) { ++runs[i]; }, {.threads = threads, .chunk = chunk});
      for (const auto& count : runs) EXPECT_EQ(count, 1) << threads << " threads, chunks of " << chunk;
    }
}

TEST(RunParallel, WithoutJobsItDoesNothing) {
  run_parallel(0, [](size_t) { FAIL() << "there is no job"; }, {.threads = 4});
}

TEST(RunParallel, AskedForOneThreadItStaysOnTheCallers) {
  std::set<std::thread::id> seen;
  run_parallel(100, [&](size_t) { seen.insert(std::this_thread::get_id()); }, {.threads = 1, .chunk = 7});
  EXPECT_EQ(seen, std::set{std::this_thread::get_id()});
}

TEST(RunParallel, ThrowsTheFirstExceptionAgain) {
  try {
    const auto job = [](size_t i) {
      if (i >= 3) throw KeyError(std::to_string(i));
    };
    run_parallel(100, job, {.threads = 1});
    ADD_FAILURE() << "no error";
  } catch (const KeyError& error) {
    EXPECT_STREQ(error.what(), "3");
  }
}

TEST(RunParallel, StopsSoonAfterAnExceptionOnAnyThread) {
  for (const size_t chunk : {1, 16}) {
    std::atomic<size_t> started = 0;
    const auto job = [&](size_t) {
      ++started;
      throw KeyError("one of them");
    };
    EXPECT_THROW(run_parallel(1000, job, {.threads = 4, .chunk = chunk}), KeyError);
    EXPECT_LE(started, 8U) << "each thread ends with its own failure";
  }
}

}  // namespace
}  // namespace transformers
