#pragma once

#include <string>
#include <vector>

#include "transformers/config/lora_config.h"
#include "transformers/modeling/model.h"

namespace transformers::detail {

/// A layer that an adapter has a path beside.
struct LoraTarget {
  std::string path = {};
  nn::LoraLayer* layer = nullptr;
  int64_t rank = 0;
  double scaling = 1;
};

/// The layers that `config` means in `model`, in module order, by peft's rules. Throws ValueError naming expressions
/// that are none or take too long, and what no layer of the model is called; NotImplementedError naming a target whose
/// kind of layer has no paths in this version. `where` names the source in errors.
[[nodiscard]] std::vector<LoraTarget> find_lora_targets(PreTrainedModel& model, const LoraConfig& config,
                                                        std::string_view where);

/// The parameters that an adapter of this config replaces: those of `modules_to_save`, and the biases that it trains.
/// Throws ValueError when the model has none of the modules to save.
[[nodiscard]] std::vector<std::string> find_replaced_parameters(PreTrainedModel& model, const LoraConfig& config,
                                                                const std::vector<LoraTarget>& targets,
                                                                std::string_view where);

}  // namespace transformers::detail
