#pragma once

#include <string_view>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/dialects/gguf_export.h"

namespace transformers::detail {

/// The bytes of an entry as a GGUF file holds them: `target.op` undone, as `dtype`. The file's own bytes where nothing
/// changes. Block types take the largest part of the time, so rows are shared out over the processor's cores.
/// ValueError naming the tensor.
[[nodiscard]] SharedBytes convert_for_gguf(const CheckpointReader& source, const CheckpointEntry& entry,
                                           const GgufTarget& target, DataType dtype);

}  // namespace transformers::detail
