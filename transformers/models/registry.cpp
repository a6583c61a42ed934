#include <algorithm>
#include <deque>
#include <mutex>
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

namespace {

// What programs registered; a record that was replaced stays, because models may point to it.
struct Registered {
  std::mutex mutex = {};
  std::vector<const Architecture*> current = {};
  std::deque<Architecture> all = {};
};

Registered& registered() {
  static Registered instance;
  return instance;
}

// The first row of any architecture that `is_wanted`, or null.
template <class Predicate>
const ModelClass* find_row(const Predicate& is_wanted) {
  for (const auto* architecture : architectures())
    for (const auto& row : architecture->classes)
      if (is_wanted(row)) return &row;
  return nullptr;
}

}  // namespace

std::vector<const Architecture*> architectures() {
  std::vector<const Architecture*> out(std::begin(kArchitectures), std::end(kArchitectures));
  const std::lock_guard lock(registered().mutex);
  out.insert(out.end(), registered().current.begin(), registered().current.end());
  return out;
}

void register_architecture(const Architecture& architecture, bool exist_ok) {
  const auto same = [&](const Architecture* other) { return other->model_type == architecture.model_type; };
  if (std::any_of(std::begin(kArchitectures), std::end(kArchitectures), same))
    throw ValueError(str("the model_type ", quote(architecture.model_type), " is the library's; choose another"));
  auto& known = registered();
  const std::lock_guard lock(known.mutex);
  const auto older = std::find_if(known.current.begin(), known.current.end(), same);
  if (older != known.current.end() && !exist_ok)
    throw ValueError(
        str("the model_type ", quote(architecture.model_type), " is registered already; set exist_ok to replace it"));
  known.all.push_back(architecture);
  if (older != known.current.end())
    *older = &known.all.back();
  else
    known.current.push_back(&known.all.back());
}

const Architecture& architecture_of(std::string_view model_type) {
  std::vector<std::string> known;
  for (const auto* architecture : architectures()) {
    if (architecture->model_type == model_type) return *architecture;
    known.emplace_back(architecture->model_type);
  }
  const auto near = nearest(model_type, known);
  throw ValueError(str("the model_type ", quote(model_type), " is not known",
                       near.empty() ? "" : str(" (nearest: ", join(near, ", "), ")"), "; known are ", join(known, ", "),
                       "; ARCHITECTURE.md shows how to add it under transformers/models/"));
}

const ModelClass* find_model_class(std::string_view name) {
  return find_row([&](const ModelClass& row) { return row.name == name; });
}

const ModelClass* find_model_class(const std::type_info& type) {
  return find_row([&](const ModelClass& row) { return *row.type == type; });
}

}  // namespace transformers
