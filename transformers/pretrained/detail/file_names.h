#pragma once

#include <string>

#include "transformers/modeling/model.h"

namespace transformers {

/// What the Hub's files of the architecture call the model's tensor `name`; the same where no rule says otherwise.
[[nodiscard]] std::string undo_file_rules(const PreTrainedModel& model, const std::string& name);

/// How `name` is called and lies in a file of the layout that the model was loaded from; of a model that was not
/// loaded, in the Hub's.
[[nodiscard]] OriginalWeight original_weight(const PreTrainedModel& model, const std::string& name);

}  // namespace transformers
