#pragma once

#include <memory>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/modeling/model.h"

namespace transformers::detail {

/// A state dict in memory as a checkpoint. Bytes are copied when they are asked for, so that a model filled from them
/// shares none of them. Throws ValueError naming a tensor that is undefined, on meta or of a type that no file holds.
[[nodiscard]] std::unique_ptr<CheckpointReader> open_state_dict(const StateDict& state);

}  // namespace transformers::detail
