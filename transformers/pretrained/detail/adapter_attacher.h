#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/modeling/adapter_state.h"
#include "transformers/pretrained/detail/adapter_targets.h"
#include "transformers/pretrained/load.h"

namespace transformers {

/// Attaches one adapter to a model: finds the layers that it means, reads or makes their tensors, and only then changes
/// the model.
class AdapterAttacher {
 public:
  /// `where` names the adapter's source in errors. Throws ValueError for a name that is taken or cannot be one, and
  /// what detail::find_lora_targets throws.
  AdapterAttacher(PreTrainedModel& model, const LoraConfig& config, const std::string& name, std::string where);

  /// Takes the tensors of a file; says what of it did not fit. Throws RuntimeError for shapes that do not fit, unless
  /// they may be ignored, for tensors of another kind than floating, and where nothing in the file fits.
  LoadingInfo read(const CheckpointReader& reader, bool ignore_mismatched_sizes);
  /// Makes what was not read, as the config's `init_lora_weights` says.
  void initialise();
  /// Adds the tensors to the model, freezes it, and makes the adapter the active one.
  void attach(bool is_trainable);

 private:
  // One tensor of the adapter: in a path (`row`), or in the place of a parameter of the model.
  struct Slot {
    std::string key = {};   // in a file, without prefix
    std::string path = {};  // module
    const LoraTensorName* row = nullptr;
    std::string parameter = {};  // of the module, for a replacement
    std::vector<int64_t> shape = {};
    const detail::LoraTarget* target = nullptr;
    at::Tensor value = {};
    bool is_wanted = true;  // false: a parameter that files may bring and need not
  };

  Slot* add(Slot slot);  // stays valid until the next one is added
  void plan_path(const detail::LoraTarget& target);
  void plan_replacements();
  [[nodiscard]] Slot* find_slot(const std::string& key_in_file);
  [[nodiscard]] Slot* replacement_of(const std::string& key);
  [[nodiscard]] at::Tensor own_weight(const Slot& slot) const;
  [[nodiscard]] at::Tensor fresh(const Slot& slot) const;
  [[nodiscard]] at::Tensor norm_of_weight(const Slot& slot) const;
  void check_size_of_missing(const CheckpointReader& reader) const;

  PreTrainedModel& model_;
  LoraConfig config_;
  std::string name_, where_;
  std::vector<detail::LoraTarget> targets_;
  std::vector<Slot> slots_;
  std::unordered_map<std::string, size_t> index_;  // by key
  StateDict own_;                                  // of the model
};

}  // namespace transformers
