#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "transformers/base/ordered_map.h"
#include "transformers/modeling/adapters.h"
#include "transformers/modeling/architecture.h"
#include "transformers/modeling/outputs.h"
#include "transformers/modeling/state_dict.h"
#include "transformers/nn/attention.h"
#include "transformers/nn/layers.h"
#include "transformers/placement/device_map.h"

namespace transformers {

struct FromPretrainedOptions;
template <class M>
struct LoadResult;
class Dispatch;
class ReadAhead;
struct SavePretrainedOptions;
struct PushToHubOptions;
struct GenerateOptions;
struct GenerateResult;
struct GenerationConfig;

/// One tag of a model card, or several.
using ModelTags = std::variant<std::string, std::vector<std::string>>;

/// What `BertModel::from_pretrained` is: called as `BertModel::from_pretrained("folder", {.dtype = "auto"})`. Every
/// model class has one of its own; calls need pretrained/load.h.
template <class M>
struct PretrainedLoader {
  LoadResult<M> operator()(const std::optional<std::string>& name_or_path) const;
  LoadResult<M> operator()(const std::optional<std::string>& name_or_path, const FromPretrainedOptions& options) const;
};

/// How a checkpoint calls a weight, and how its values lie there: `op` made the model's of the file's.
struct OriginalWeight {
  std::string name = {};
  Op op = Op::Rename;
  int64_t heads = 0;  // of PermuteRope
};

/// What a model's checkpoint has otherwise than the model; save_original_format undoes it.
struct OriginalLayout {
  std::unordered_map<std::string, OriginalWeight> weights = {};  // by the model's name; others are called alike
  bool file_rules = true;  // the architecture's file_rules hold for the other weights: nothing was loaded, or by them
};

/// Base of every model: keeps the config, loads, saves, initialises, ties. Concrete classes build their children in the
/// constructor, end it with `post_init()`, and implement `run`. Reference: PreTrainedModel.
class PreTrainedModel : public nn::Module, public PeftAdapterMixin {
 public:
  std::shared_ptr<PretrainedConfig> config;
  std::string name_or_path = {};
  std::shared_ptr<GenerationConfig> generation_config = {};
  std::optional<DeviceMap> hf_device_map = {};  // set when the model was loaded with a device map
  OriginalLayout original_layout = {};          // set when the model was loaded
  std::shared_ptr<Dispatch> dispatch = {};      // runs a model that lies on several devices, or partly on disk
  std::shared_ptr<ReadAhead> read_ahead = {};   // brings the mapped files into memory while the model already works

  static constexpr bool kRunsOwnHooks = true;  // a root model has no handle

  /// One call of the model: fills in what the config decides, runs hooks, then `run`. No exception of libtorch leaves
  /// it: errors are those of base/error.h, and inputs that the model cannot take are a ValueError that names the field,
  /// what it is and what it should be (modeling/check_inputs.h). Thread-safe as long as no cache is shared.
  ModelOutput forward(const ModelInputs& inputs);
  ModelOutput operator()(const ModelInputs& inputs) { return forward(inputs); }

  [[nodiscard]] const ModelClass& model_class() const;
  [[nodiscard]] const Architecture& architecture() const;
  [[nodiscard]] std::string base_model_prefix() const;
  [[nodiscard]] bool can_generate() const { return model_class().can_generate; }
  /// The body inside a model with a head; the model itself where there is none.
  [[nodiscard]] PreTrainedModel& base_model();

  /// The embedding of input ids, found under the names that the reference searches; NotImplementedError without one.
  [[nodiscard]] virtual std::shared_ptr<torch::nn::Module> get_input_embeddings();
  /// The layer that maps hidden states to the vocabulary; null when the class has none.
  [[nodiscard]] virtual std::shared_ptr<torch::nn::Module> get_output_embeddings();

  /// Makes tied parameters one tensor, as the class declares and `config.tie_word_embeddings` allows.
  void tie_weights();
  /// The ties in force: target → source, names that exist in this model only.
  [[nodiscard]] OrderedMap<std::string, std::string> all_tied_weights_keys() const;

  /// Initialises every parameter that is not on meta by the rules of `_init_weights`; then ties.
  void init_weights();
  /// The rules for one module: Linear and convolutions N(0, std), bias 0; Embedding N(0, std), padding row 0; norms 1
  /// and 0. std: initializer_range, else init_std, else initializer_factor, else 0.02.
  virtual void _init_weights(torch::nn::Module& module);

  /// Parameters and persistent buffers under their names, tied ones under each of their names.
  [[nodiscard]] StateDict state_dict() const;
  /// Distinct parameters; see the reference's num_parameters.
  [[nodiscard]] int64_t num_parameters(bool only_trainable = false, bool exclude_embeddings = false) const;
  /// Bytes of distinct parameters and, when asked, buffers.
  [[nodiscard]] int64_t get_memory_footprint(bool return_buffers = true) const;
  [[nodiscard]] at::Device device() const;
  [[nodiscard]] at::ScalarType dtype() const;
  /// Casts floating parameters and buffers; ties stay. A model placed by a device map: Warning; one with offloaded
  /// weights: RuntimeError.
  void to(at::ScalarType dtype, bool non_blocking = false) override;
  void to(at::Device device, bool non_blocking = false) override;
  void to(at::Device device, at::ScalarType dtype, bool non_blocking = false) override;

  /// Switches attention for the whole model; an unknown name: ValueError, nothing changed.
  void set_attn_implementation(const std::string& attn_implementation);

  /// True where the inputs may be (batch, choices, tokens).
  [[nodiscard]] virtual bool takes_choices() const { return false; }

  /// An empty cache that fits this model's layers.
  [[nodiscard]] virtual std::shared_ptr<nn::Cache> make_cache() const { return nn::dynamic_cache(); }

  /// Continues `inputs` (prompt ids) or the encoder's inputs; see generation/generate.h.
  GenerateResult generate(const ModelInputs& inputs, const GenerateOptions& options);
  GenerateResult generate(const ModelInputs& inputs);

  /// Writes config.json, generation_config.json and model.safetensors; of a model with an adapter attached that alone.
  /// See pretrained/save.h.
  void save_pretrained(const std::filesystem::path& save_directory, const SavePretrainedOptions& options);
  void save_pretrained(const std::filesystem::path& save_directory);

  /// Uploads what save_pretrained writes and a model card with the tags, in one commit; gives the URL of the commit or
  /// pull request. `repo_id`: "name" (the token's user) or "organisation/name", made when absent. See hub/push.h.
  std::string push_to_hub(const std::string& repo_id, const PushToHubOptions& options);
  std::string push_to_hub(const std::string& repo_id);
  /// Adds tags for the model card; those that are there already are left alone.
  void add_model_tags(const ModelTags& tags);
  std::optional<std::vector<std::string>> model_tags = {};

 protected:
  explicit PreTrainedModel(std::shared_ptr<PretrainedConfig> config);
  /// The computation. Optional flags of `inputs` are filled in; `position_ids` and masks are as given.
  virtual ModelOutput run(const ModelInputs& inputs) = 0;
  /// Last step of every concrete constructor: initialises (unless on meta) and ties.
  void post_init();
  /// The attention function in force.
  [[nodiscard]] nn::AttentionFunction attend() const;
  [[nodiscard]] bool attends_with_sdpa() const;
  /// True when the attention function in force returns weights.
  [[nodiscard]] bool attention_gives_weights() const;

 private:
  void check_movable() const;
  [[nodiscard]] ModelInputs completed(const ModelInputs& inputs) const;
  ModelOutput run_with_hooks(ModelInputs& inputs);
};

/// The parameters and persistent buffers of any module under their names, in module order, shared ones under each name.
[[nodiscard]] StateDict state_dict_of(torch::nn::Module& root);
/// Walks a module tree: calls `visit(name of the module, module)` in registration order, parents first.
void visit_modules(torch::nn::Module& root, const std::function<void(const std::string&, torch::nn::Module&)>& visit);
/// Replaces the parameter or buffer with the dotted `name`; throws KeyError naming it.
void assign_tensor(torch::nn::Module& root, const std::string& name, at::Tensor value);
/// The module at a dotted path, or null.
[[nodiscard]] std::shared_ptr<torch::nn::Module> find_module(torch::nn::Module& root, std::string_view path);

}  // namespace transformers
