#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/load_plan.h"

namespace transformers {

/// A tensor of a checkpoint as the model needs it: `op` applied, floating types cast to `dtype`, block-quantised types
/// expanded. Where nothing changes the result is a view of the mapped file that keeps the mapping alive; writing to it
/// changes private copies of its pages, never the file. `heads`: number of heads for Op::PermuteRope.
[[nodiscard]] at::Tensor materialize(const CheckpointReader& reader, const CheckpointEntry& entry, Op op, int64_t heads,
                                     at::ScalarType dtype);

/// Runs `job(index)` for each index below `count` on up to `threads` threads; the first exception is thrown again.
void run_parallel(size_t count, size_t threads, const std::function<void(size_t)>& job);

}  // namespace transformers
