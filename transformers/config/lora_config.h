#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transformers/base/json.h"

namespace transformers {

/// Modules of a model: by name or the end of one after a dot, or by a regular expression of Python's that matches the
/// whole name. The expression "all-linear" means every linear layer but the output layer.
struct ModuleSelection {
  std::vector<std::string> names = {};
  std::string expression = {};

  ModuleSelection() = default;
  ModuleSelection(std::initializer_list<std::string> modules) : names(modules) {}
  ModuleSelection(std::string text) : expression(std::move(text)) {}
  ModuleSelection(const char* text) : expression(text) {}
  [[nodiscard]] bool empty() const { return names.empty() && expression.empty(); }
};

/// An adapter_config.json of the type LORA; names and defaults are those of peft's LoraConfig. Patterns are regular
/// expressions of the ends of names.
struct LoraConfig {
  int64_t r = 8;  // the rank
  double lora_alpha = 8;
  double lora_dropout = 0;
  ModuleSelection target_modules = {};
  ModuleSelection exclude_modules = {};
  bool fan_in_fan_out = false;  // kept only: the layer knows how its weight lies
  std::string bias = "none";    // "all" or "lora_only": biases are trained and saved too
  bool use_rslora = false;      // scale by lora_alpha / √r (arXiv 2312.03732) instead of lora_alpha / r
  bool use_dora = false;        // arXiv 2402.09353
  bool lora_bias = false;       // lora_B has a bias
  std::vector<std::string> modules_to_save = {};  // ends of names: modules that the adapter replaces as a whole
  Json init_lora_weights = true;                  // true, false or "gaussian"; how add_adapter fills the tensors
  std::optional<std::vector<int64_t>> layers_to_transform = {};
  std::vector<std::string> layers_pattern = {};
  std::vector<std::pair<std::string, int64_t>> rank_pattern = {};  // the first that matches
  std::vector<std::pair<std::string, double>> alpha_pattern = {};
  std::optional<std::string> base_model_name_or_path = {};
  std::optional<std::string> revision = {};   // of the base model
  std::optional<std::string> task_type = {};  // "CAUSAL_LM", "SEQ_CLS", …
  bool inference_mode = false;
  Json extra = Json::object();  // what a file says beside these and what has no effect: written back

  /// Throws NotImplementedError naming another peft_type, or a key that would change the numbers in a way that this
  /// version does not know; ValueError for values that cannot be. `where` names the source in errors.
  [[nodiscard]] static LoraConfig from_dict(const Json& json, std::string_view where = "the adapter's config");
  [[nodiscard]] Json to_dict() const;
  /// Throws ValueError naming the field, what it is and what it may be.
  void validate(std::string_view where) const;
  /// What a path of this rank and alpha is multiplied by.
  [[nodiscard]] double scaling(int64_t rank, double alpha) const;
};

}  // namespace transformers
