#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/hub/options.h"
#include "transformers/modeling/model.h"
#include "transformers/nn/dtypes.h"

namespace transformers {

/// What a load's differences mean. Harmless: a new head, or another task's head left out. Suspicious: a weight of the
/// base model that is missing or unused, or of another shape, or a checkpoint of this very class that does not fit it.
/// Fatal: weights that could not be loaded, or of another shape where that was not allowed; an error follows.
enum class LoadingVerdict { Complete, Harmless, Suspicious, Fatal };

/// Which keys of the model and of the checkpoint did not meet, and how.
struct LoadingInfo {
  std::set<std::string> missing_keys, unexpected_keys;
  // key, shape in the checkpoint, shape in the model
  std::set<std::tuple<std::string, std::vector<int64_t>, std::vector<int64_t>>> mismatched_keys;
  std::vector<std::string> error_msgs;  // "key: what is wrong with it"
  LoadingVerdict verdict = LoadingVerdict::Complete;
};

/// A loaded model, pointer-like; `loading_info` is set when it was asked for.
template <class M>
struct LoadResult {
  std::shared_ptr<M> model;
  std::optional<LoadingInfo> loading_info = {};
  M* operator->() const { return model.get(); }
  M& operator*() const { return *model; }
  operator std::shared_ptr<M>() const { return model; }
};

/// A config object, or a folder or file that one is read from.
using ConfigArg = std::variant<std::shared_ptr<PretrainedConfig>, std::filesystem::path>;

/// Arguments of from_pretrained; names and defaults are the reference's.
struct FromPretrainedOptions {
  std::optional<ConfigArg> config = {};      // instead of the one beside the weights
  std::optional<StateDict> state_dict = {};  // instead of a file: no name is given then, but a config; copied
  std::optional<std::filesystem::path> cache_dir = {};
  bool from_tf = false;                             // TensorFlow's weights, where a folder holds them
  bool from_flax = false;                           // the same for Flax
  bool ignore_mismatched_sizes = false;             // weights of another shape are initialised anew
  bool force_download = false;                      // fetch again what the Hub's cache has
  std::map<std::string, std::string> proxies = {};  // by "http", "https", "all" or "http://host"
  bool output_loading_info = false;
  bool local_files_only = false;       // ask no server
  std::optional<TokenArg> token = {};  // of the Hub; true: the stored one, which is also the default
  std::string revision = "main";
  std::optional<bool> use_safetensors = {};
  std::optional<std::string> attn_implementation = {};  // "eager", "sdpa" or a registered name
  /// "auto", a name or a type: float32, bfloat16, float16, float64; absent: the process's default, float32 as a rule.
  std::optional<DtypeArg> dtype = {}, torch_dtype = {};      // the latter: the older name, for want of the former
  std::optional<DeviceMapArg> device_map = {};               // "auto", "balanced" …, a device, or modules → devices
  std::optional<MaxMemory> max_memory = {};                  // for automatic maps; absent: what is free
  std::optional<std::filesystem::path> offload_folder = {};  // for weights on "disk" that cannot be read in place
  /// True: what is converted for the CPU waits in a temporary folder until all is read; the result is the same.
  std::optional<bool> offload_state_dict = {};
  bool offload_buffers = false;
  std::optional<bool> low_cpu_mem_usage = {};  // always so; false together with a device_map: ValueError
  std::string subfolder = {};
  std::optional<std::string> variant = {};  // "fp16": model.fp16.safetensors
  /// Python's regular expressions and what replaces their matches in a key, \\1 being a group; the first that matches.
  std::optional<std::map<std::string, std::string>> key_mapping = {};
  /// Ours: loads also where most keys of the model and most of the file have no partner, which is otherwise a
  /// RuntimeError: such a model would consist of random numbers.
  bool ignore_unmatched_keys = false;
  std::string adapter_name = "default";  // of an adapter that is loaded with the model
  Json kwargs = Json::object();          // config fields to override, arguments of the constructor
};

/// Loads `name_or_path` (a folder, a weights file, a Hub id, or none when `options` holds a config
/// and a state dict; saving to a folder and loading that is usually simpler) as the class of `row`: the config, the
/// weights, mapped where their dtype fits, and the report. Where an adapter_config.json lies, its adapter is attached
/// (pretrained/adapters.h); where nothing else lies, to the model that it names. The model is in eval mode. Throws
/// OSError for files that are missing or malformed, ValueError for configs and arguments, RuntimeError for weights of
/// the wrong shape; nothing half built is left behind.
[[nodiscard]] LoadResult<PreTrainedModel> load_pretrained(const std::optional<std::string>& name_or_path,
                                                          const ModelClass& row, const FromPretrainedOptions& options);

/// The model that a checkpoint is loaded into: on the meta device, in `dtype` but for what its architecture keeps in
/// float32. `arguments` go to the constructor.
[[nodiscard]] std::shared_ptr<PreTrainedModel> build_on_meta(const ModelClass& row,
                                                             const std::shared_ptr<PretrainedConfig>& config,
                                                             Dtype dtype, const Json& arguments = Json::object());

/// The model that load_pretrained would fill, on the meta device. Fetches and reads the config, and where that says no
/// type, the headers of the weights, when they lie on this machine; float32 where they do not.
[[nodiscard]] std::shared_ptr<PreTrainedModel> build_pretrained_on_meta(const std::string& name_or_path,
                                                                        const ModelClass& row,
                                                                        const FromPretrainedOptions& options);

/// Fills `model` from a TensorFlow checkpoint, `path` being what its files share (`model.ckpt`) or its index; TF 1's
/// names of BERT, ALBERT and T5 are known. `config`: the model's. Tensors that the file lacks stay as they are; they
/// are reported as in from_pretrained. Reference: load_tf_weights_in_bert and its like.
PreTrainedModel& load_tf_weights(PreTrainedModel& model, const PretrainedConfig& config,
                                 const std::filesystem::path& path);

[[noreturn]] void throw_not_registered(const std::type_info& type);

/// The same for a C++ class: `from_pretrained<BertModel>("folder", {.dtype = "auto"})`.
template <class M>
[[nodiscard]] LoadResult<M> from_pretrained(const std::optional<std::string>& name_or_path,
                                            const FromPretrainedOptions& options = {}) {
  const auto* row = find_model_class(typeid(M));
  if (!row) throw_not_registered(typeid(M));
  auto loaded = load_pretrained(name_or_path, *row, options);
  return {std::dynamic_pointer_cast<M>(loaded.model), std::move(loaded.loading_info)};
}

template <class M>
LoadResult<M> PretrainedLoader<M>::operator()(const std::optional<std::string>& name_or_path) const {
  return transformers::from_pretrained<M>(name_or_path);
}

template <class M>
LoadResult<M> PretrainedLoader<M>::operator()(const std::optional<std::string>& name_or_path,
                                              const FromPretrainedOptions& options) const {
  return transformers::from_pretrained<M>(name_or_path, options);
}

}  // namespace transformers
