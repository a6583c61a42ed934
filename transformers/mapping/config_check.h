#pragma once

#include <string>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// Sizes in a config that are texts or fractions, one sentence each.
[[nodiscard]] std::vector<std::string> check_config_types(const Json& config);

/// What a config says that the shapes of the weights contradict, one sentence each: the width and number of the
/// embeddings, the number of layers, the norms, weights that are no floating numbers. Reads no data; keys of every
/// dialect are understood. Fields and tensors that are not there are not looked for.
[[nodiscard]] std::vector<std::string> check_config(const CheckpointReader& reader, const Json& config);

}  // namespace transformers
