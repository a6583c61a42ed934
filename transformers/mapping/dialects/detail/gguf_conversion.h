#pragma once

#include <string_view>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/dialects/gguf_export.h"

namespace transformers::detail {

/// The shape of what `op` turns into a tensor of `shape`.
[[nodiscard]] std::vector<int64_t> shape_after_undoing(Op op, const std::vector<int64_t>& shape);

/// The number of heads under a config field; 0 for no field.
[[nodiscard]] int64_t heads_of(const Json& config, std::string_view field);

/// The bytes of an entry as a GGUF file holds them: `target.op` undone, as `dtype`. The file's own bytes where nothing
/// changes. Block types take the largest part of the time, so rows are shared out over the processor's cores.
/// ValueError naming the tensor.
[[nodiscard]] SharedBytes convert_for_gguf(const CheckpointReader& source, const CheckpointEntry& entry,
                                           const GgufTarget& target, DataType dtype);

}  // namespace transformers::detail
