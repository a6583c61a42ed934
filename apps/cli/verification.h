#pragma once

#include <memory>
#include <span>
#include <vector>

#include "transformers/base/finding.h"
#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/hub/snapshot.h"

namespace transformers::cli {

/// Whether a model's files are whole and fit together: the weights and their indices, the config against the weights,
/// the hashes that the Hub gave, and whether its tokenizer.json can be read. `config` may be null.
[[nodiscard]] std::vector<Finding> verify_model(const Snapshot& snapshot,
                                                std::span<const std::unique_ptr<CheckpointReader>> checkpoints,
                                                const Json& config);

}  // namespace transformers::cli
