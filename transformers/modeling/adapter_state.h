#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transformers/base/ordered_map.h"
#include "transformers/config/lora_config.h"
#include "transformers/modeling/model.h"

namespace transformers {

/// One attached adapter: where it has low-rank paths, and which parameters of the model it replaces while it is active.
struct Adapter {
  LoraConfig config = {};
  std::vector<std::string> paths = {};     // modules, in module order
  std::vector<std::string> replaced = {};  // parameters; their values lie under `modules_to_save` of their module
};

/// What a model knows of its adapters.
struct AdapterState {
  OrderedMap<std::string, Adapter> adapters = {};
  std::vector<std::string> active = {};
  bool is_enabled = true;
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, std::shared_ptr<nn::Hook>>> hooks = {};
};

/// Where a path keeps its tensors: the kind (see nn::adapter_tensors), the name there, and what an adapter's file
/// appends to the name of the module.
struct LoraTensorName {
  const char* kind;
  const char* tensor;
  const char* suffix;
  bool is_of_embedding;
};
inline constexpr LoraTensorName kLoraTensorNames[] = {
    {"lora_A", "weight", ".lora_A.weight", false},
    {"lora_B", "weight", ".lora_B.weight", false},
    {"lora_B", "bias", ".lora_B.bias", false},
    {"lora_embedding_A", "weight", ".lora_embedding_A", true},
    {"lora_embedding_B", "weight", ".lora_embedding_B", true},
    {"lora_magnitude_vector", "weight", ".lora_magnitude_vector", false},
};
/// Where an adapter keeps the parameters that it replaces.
inline constexpr const char* kReplacements = "modules_to_save";

/// "classifier.weight" → "classifier", "weight".
[[nodiscard]] std::pair<std::string, std::string> module_and_name(const std::string& parameter);
/// The module at a dotted path, the model itself for an empty one; throws RuntimeError where there is none.
[[nodiscard]] std::shared_ptr<torch::nn::Module> module_at(PreTrainedModel& model, const std::string& path);
/// The layer at a path that has low-rank paths.
[[nodiscard]] nn::LoraLayer& lora_layer_at(PreTrainedModel& model, const std::string& path);

/// Makes the layers compute as `state` says.
void apply_adapters(PreTrainedModel& model, AdapterState& state);
/// Lets the tensors of `adapter` require gradients or not.
void set_trainable(PreTrainedModel& model, const AdapterState& state, const std::string& adapter, bool is_trainable);
/// Takes the adapter's tensors away, also where it is attached by half only.
void detach_adapter(PreTrainedModel& model, const std::string& name, const Adapter& adapter);

}  // namespace transformers
