#include "transformers/pretrained/adapters.h"

#include <algorithm>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/config/config_file.h"
#include "transformers/hub/adapter.h"
#include "transformers/nn/torch_errors.h"
#include "transformers/pretrained/detail/adapter_attacher.h"
#include "transformers/pretrained/detail/adapter_loading.h"
#include "transformers/pretrained/detail/source.h"
#include "transformers/pretrained/detail/state_dict_reader.h"

namespace transformers {

namespace {

std::shared_ptr<const CheckpointReader> open_weights(const Snapshot& snapshot, const LoadAdapterOptions& options) {
  std::vector<std::string_view> names;
  for (const auto& row : weights_names())
    if (row.is_adapter && (row.format == "safetensors" || !options.use_safetensors.value_or(false)))
      names.push_back(row.file);
  if (options.use_safetensors == false) std::reverse(names.begin(), names.end());
  for (const auto name : names)
    if (snapshot.has(name)) return open_checkpoint(snapshot.file(name));
  throw OSError(str(snapshot.folder, ": has ", kAdapterConfigFile, ", but no weights; looked for ", join(names, ", ")));
}

LoadingInfo attach(PreTrainedModel& model, const LoraConfig& config, const CheckpointReader& reader,
                   const std::string& where, const LoadAdapterOptions& options) {
  return without_torch_errors(where, [&] {
    AdapterAttacher attacher(model, config, options.adapter_name.value_or("default"), where);
    auto info = attacher.read(reader, options.ignore_mismatched_sizes);
    attacher.initialise();
    attacher.attach(options.is_trainable);
    if (!options.is_trainable) model.eval();
    return info;
  });
}

}  // namespace

namespace detail {

LoadingInfo load_adapter_of(PreTrainedModel& model, const Snapshot& snapshot, const LoadAdapterOptions& options) {
  if (!snapshot.weights_file.empty() || !snapshot.has(kAdapterConfigFile))
    throw OSError(str(snapshot.source, ": holds no adapter; it has no ", kAdapterConfigFile));
  const auto file = snapshot.file(kAdapterConfigFile);
  auto config = LoraConfig::from_dict(read_config_file(file), file.string());
  config.inference_mode = !options.is_trainable;
  const auto reader = open_weights(snapshot, options);
  return attach(model, config, *reader, snapshot.source, options);
}

}  // namespace detail

LoadingInfo PeftAdapterMixin::load_adapter(const std::string& peft_model_id) {
  return load_adapter(peft_model_id, LoadAdapterOptions{});
}

LoadingInfo PeftAdapterMixin::load_adapter(const std::optional<std::string>& peft_model_id,
                                           const LoadAdapterOptions& options) {
  auto& model = static_cast<PreTrainedModel&>(*this);
  if (!peft_model_id) {
    if (!options.peft_config || !options.adapter_state_dict)
      throw ValueError("load_adapter needs a peft_model_id, or a peft_config and an adapter_state_dict");
    const auto reader = detail::open_state_dict(*options.adapter_state_dict);
    return attach(model, *options.peft_config, *reader, "the given adapter_state_dict", options);
  }
  if (options.peft_config || options.adapter_state_dict)
    throw ValueError(str("load_adapter was given ", quote(*peft_model_id),
                         " and a peft_config or an adapter_state_dict; give one or the other"));
  return detail::load_adapter_of(model, resolve_snapshot(*peft_model_id, lookup_of(options)), options);
}

void PeftAdapterMixin::add_adapter(const LoraConfig& adapter_config, const std::string& adapter_name) {
  auto& model = static_cast<PreTrainedModel&>(*this);
  auto config = adapter_config;
  if (!model.name_or_path.empty()) config.base_model_name_or_path = model.name_or_path;
  const auto& init = config.init_lora_weights;
  if (!init.is_bool() && !(init.is_string() && init.as_string() == "gaussian"))
    throw NotImplementedError(str("init_lora_weights is ", init.dump(), "; this version has true, false and gaussian"));
  without_torch_errors(model.model_class().name, [&] {
    AdapterAttacher attacher(model, config, adapter_name, "the adapter's config");
    attacher.initialise();
    attacher.attach(/*is_trainable=*/true);
  });
}

}  // namespace transformers
