#pragma once

#include <vector>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/convert.h"

namespace transformers::detail {

/// Puts int8 and the scales of its rows in the place of every floating matrix: docs/int8.md. The metadata states the
/// format by a name that nobody who does not know it accepts. `tensors` are the report's, one for each entry given.
void quantize_entries(std::vector<CheckpointWriteEntry>& entries, Json& metadata,
                      std::vector<ConvertedTensor>& tensors);

}  // namespace transformers::detail
