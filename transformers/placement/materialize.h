#pragma once

#include <ATen/core/Tensor.h>

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

}  // namespace transformers
