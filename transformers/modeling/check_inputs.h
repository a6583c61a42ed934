#pragma once

#include "transformers/modeling/model.h"

namespace transformers {

/// Throws ValueError naming the first field of `inputs` whose rank, sizes or dtype `model` cannot take, or that lacks
/// its partner; warns once of more tokens than the model was made for where rotary positions run on. Looks at shapes:
/// values are read of floating masks and flags only, so that a decoding step costs no wait for a device.
void check_inputs(const PreTrainedModel& model, const ModelInputs& inputs);

/// After a failed run: throws ValueError naming the field with ids outside their range, or of another dtype than the
/// model's. Returns when none is to blame.
void explain_failure(const PreTrainedModel& model, const ModelInputs& inputs);

/// Shown once per `most`, the config's max_position_embeddings.
void warn_of_long_sequence(int64_t most);

}  // namespace transformers
