#include "transformers/pretrained/detail/file_names.h"

#include "transformers/mapping/key_match.h"

namespace transformers {

std::string undo_file_rules(const PreTrainedModel& model, const std::string& name) {
  const auto prefix = model.base_model_prefix() + ".";
  for (const auto& rule : model.architecture().file_rules) {
    if (auto renamed = invert_rule(rule, name)) return *renamed;
    if (!name.starts_with(prefix)) continue;
    if (auto renamed = invert_rule(rule, std::string_view(name).substr(prefix.size()))) return prefix + *renamed;
  }
  return name;
}

OriginalWeight original_weight(const PreTrainedModel& model, const std::string& name) {
  const auto& layout = model.original_layout;
  if (const auto found = layout.weights.find(name); found != layout.weights.end()) return found->second;
  return {.name = layout.file_rules ? undo_file_rules(model, name) : name};
}

}  // namespace transformers
