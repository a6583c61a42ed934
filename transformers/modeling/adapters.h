#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "transformers/base/ordered_map.h"
#include "transformers/modeling/state_dict.h"

namespace transformers {

struct LoraConfig;
struct LoadAdapterOptions;
struct LoadingInfo;
struct AdapterState;
class AdapterAttacher;

/// One adapter's name or several: "default", or {"french", "legal"}.
struct AdapterNames {
  std::vector<std::string> names;
  AdapterNames(const char* name) : names{name} {}
  AdapterNames(std::string name) : names{std::move(name)} {}
  AdapterNames(std::initializer_list<std::string> list) : names(list) {}
  AdapterNames(std::vector<std::string> list) : names(std::move(list)) {}
};

/// What a model can do with adapters: small sets of tensors that lie beside its weights and change what it computes,
/// while the weights keep their names and values. Several may be attached; those that are active take part, unless all
/// are disabled. Methods that need an adapter throw ValueError where none is attached. Include pretrained/adapters.h to
/// load or add one. No call of the model may run meanwhile. Reference: PeftAdapterMixin.
class PeftAdapterMixin {
 public:
  /// Attaches the adapter of a folder or a repository of the Hub (adapter_config.json beside adapter_model.safetensors
  /// or .bin), or the one in `options`, and makes it the active one. Returns what of it did not fit, which is logged
  /// too. See pretrained/adapters.h.
  LoadingInfo load_adapter(const std::optional<std::string>& peft_model_id, const LoadAdapterOptions& options);
  LoadingInfo load_adapter(const std::string& peft_model_id);
  /// Attaches a fresh adapter, to be trained: `lora_B` is zero, so that nothing changes yet. It becomes the active one,
  /// its tensors require gradients and those of the model no longer do.
  void add_adapter(const LoraConfig& adapter_config, const std::string& adapter_name = "default");

  /// From now on these take part, their sum where several have a path beside one layer. Their tensors require
  /// gradients, those of other adapters do not. Throws ValueError naming those that are not attached, and two that
  /// replace the same weight.
  void set_adapter(const AdapterNames& adapter_name);
  /// The model computes as if nothing were attached, until `enable_adapters`.
  void disable_adapters();
  void enable_adapters();
  /// Those set by the last `set_adapter`, also while all are disabled.
  [[nodiscard]] std::vector<std::string> active_adapters() const;
  /// The tensors of one adapter, the first active one by default, named as in its file without the prefix
  /// (`model.layers.0.self_attn.q_proj.lora_A.weight`). They are the adapter's own, not copies.
  [[nodiscard]] StateDict get_adapter_state_dict(const std::optional<std::string>& adapter_name = {}) const;
  /// Takes adapters away. Where an active one goes and none is left active, the first of the others becomes it.
  void delete_adapter(const AdapterNames& adapter_names);
  /// Adds what the active adapters compute to the model's weights, be they enabled or not, and takes all adapters away.
  /// The weights stay frozen, as attaching an adapter made them. NotImplementedError for weights that are offloaded.
  /// Reference: peft's method of that name.
  void merge_and_unload();

  /// The attached adapters by name, in the order in which they came.
  [[nodiscard]] OrderedMap<std::string, LoraConfig> peft_config() const;
  [[nodiscard]] bool has_adapters() const { return adapters_ != nullptr; }

 protected:
  PeftAdapterMixin() = default;
  ~PeftAdapterMixin() = default;
  /// Puts the active adapters' replacements back in force after weights were exchanged.
  void refresh_adapters();

 private:
  friend class AdapterAttacher;  // of pretrained/, which knows files and expressions
  [[nodiscard]] AdapterState& attached() const;
  std::shared_ptr<AdapterState> adapters_ = {};  // null: none is attached
};

}  // namespace transformers
