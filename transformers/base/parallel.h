#pragma once

#include <cstddef>
#include <functional>

namespace transformers {

struct ParallelOptions {
  size_t threads = 0;  // at most so many, the caller's among them; 0: one per core
  size_t chunk = 1;    // neighbouring indices that a thread takes at once; more where one job is short
};

/// Runs `job(index)` for each index below `count`, on the calling thread and on helpers that end with the call. After
/// an exception no further chunk starts; the first one is thrown again. No helper is started that would find no work.
void run_parallel(size_t count, const std::function<void(size_t)>& job, const ParallelOptions& options = {});

}  // namespace transformers
