#include <string>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/models/bert.h"
#include "transformers/models/gpt2.h"
#include "transformers/models/llama.h"
#include "transformers/models/mistral.h"
#include "transformers/models/qwen2.h"
#include "transformers/models/qwen3.h"
#include "transformers/models/t5.h"
#include "transformers/models/vit.h"

namespace transformers {

// One line per architecture, alphabetical.
static constexpr const Architecture* kArchitectures[] = {
    &bert_architecture,  &gpt2_architecture,  &llama_architecture, &mistral_architecture,
    &qwen2_architecture, &qwen3_architecture, &t5_architecture,    &vit_architecture,
};

std::span<const Architecture* const> architectures() { return kArchitectures; }

const Architecture& architecture_of(std::string_view model_type) {
  std::vector<std::string> known;
  for (const auto* architecture : kArchitectures) {
    if (architecture->model_type == model_type) return *architecture;
    known.emplace_back(architecture->model_type);
  }
  const auto near = nearest(model_type, known);
  throw ValueError(str("the model_type ", quote(model_type), " is not known",
                       near.empty() ? "" : str(" (nearest: ", join(near, ", "), ")"), "; known are ", join(known, ", "),
                       "; ARCHITECTURE.md shows how to add it under transformers/models/"));
}

const ModelClass* find_model_class(std::string_view name) {
  for (const auto* architecture : kArchitectures)
    for (const auto& row : architecture->classes)
      if (row.name == name) return &row;
  return nullptr;
}

const ModelClass* find_model_class(const std::type_info& type) {
  for (const auto* architecture : kArchitectures)
    for (const auto& row : architecture->classes)
      if (*row.type == type) return &row;
  return nullptr;
}

const Architecture* find_architecture(const ModelClass& model_class) {
  for (const auto* architecture : kArchitectures)
    for (const auto& row : architecture->classes)
      if (&row == &model_class) return architecture;
  return nullptr;
}

}  // namespace transformers
