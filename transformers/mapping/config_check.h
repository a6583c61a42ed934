#pragma once

#include <string>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// What is wrong with a config, one sentence each: what the shapes of the weights contradict (the width and number of
/// the embeddings, the number of layers), and sizes that are no integers. Reads no data; keys of every dialect are
/// understood. Fields and tensors that are not there are not looked for.
[[nodiscard]] std::vector<std::string> check_config(const CheckpointReader& reader, const Json& config);

}  // namespace transformers
