#include "transformers/pretrained/load.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/memory.h"
#include "transformers/base/strings.h"
#include "transformers/config/generation_config.h"
#include "transformers/mapping/int8.h"
#include "transformers/mapping/key_match.h"
#include "transformers/mapping/load_plan.h"
#include "transformers/nn/dtypes.h"
#include "transformers/nn/torch_errors.h"
#include "transformers/placement/dispatch.h"
#include "transformers/pretrained/detail/adapter_loading.h"
#include "transformers/pretrained/detail/dtype_choice.h"
#include "transformers/pretrained/detail/file_names.h"
#include "transformers/pretrained/detail/fill.h"
#include "transformers/pretrained/detail/key_mapping.h"
#include "transformers/pretrained/detail/report.h"
#include "transformers/pretrained/detail/source.h"
#include "transformers/pretrained/device_map.h"

namespace transformers {

namespace {

std::shared_ptr<PreTrainedModel> build_described(const ModelClass& row, const std::shared_ptr<PretrainedConfig>& config,
                                                 const Json& arguments, Dtype dtype, const std::string& origin) {
  try {
    return build_on_meta(row, config, dtype, arguments);
  } catch (const ValueError& error) {
    throw ValueError(str(origin, ": the config does not describe a model: ", error.what()));
  }
}

std::vector<ModelTensor> describe(const StateDict& state) {
  std::vector<ModelTensor> out;
  for (const auto& [name, tensor] : state) out.push_back({name, tensor.sizes().vec()});
  return out;
}

std::set<std::string> non_persistent_buffers(PreTrainedModel& model) {
  std::set<std::string> names;
  visit_modules(model, [&](const std::string& prefix, torch::nn::Module& module) {
    if (const auto* facet = dynamic_cast<const nn::Facet*>(&module))
      for (const auto& name : facet->non_persistent_buffers()) names.insert(dotted(prefix, name));
  });
  return names;
}

LoadRequest make_request(PreTrainedModel& model, const PretrainedConfig& config, const CheckpointReader& reader,
                         const std::vector<ModelTensor>& tensors, const std::string& prefix,
                         const FromPretrainedOptions& options) {
  const auto& architecture = model.architecture();
  LoadRequest request{.model = tensors,
                      .entries = reader.entries(),
                      .dialect = &dialect_of(reader),
                      .config = config.to_dict(),
                      .base_model_prefix = prefix,
                      .own_buffers = non_persistent_buffers(model)};
  if (options.key_mapping) request.rename = detail::KeyMapping(*options.key_mapping);
  request.rules.push_back(architecture.file_rules);
  request.rules.push_back(architecture.key_rules);
  for (const auto pattern : architecture.ignore_unexpected) request.ignore_unexpected.push_back(pattern);
  for (const auto pattern : model.model_class().ignore_unexpected) request.ignore_unexpected.push_back(pattern);
  return request;
}

// Every parameter has come from the file, a tie or a listed initialisation; anything else is a bug of ours.
void check_complete(const PreTrainedModel& model, const WeightStore& weights) {
  for (const auto& [name, tensor] : model.state_dict())
    if (tensor.is_meta() && !weights.contains(name))
      throw RuntimeError(str("after loading, ", quote(name), " has no values"));
}

// A file of a few bytes must not make us initialise a model of gigabytes: such a pair does not belong together.
void refuse_empty_shell(const PreTrainedModel& model, const std::set<std::string>& filled,
                        const CheckpointReader& reader, const std::string& where) {
  int64_t missing_bytes = 0, file_bytes = 0;
  for (const auto& [name, tensor] : model.state_dict())
    if (!filled.contains(name)) missing_bytes += static_cast<int64_t>(tensor.nbytes());
  for (const auto& entry : reader.entries()) file_bytes += static_cast<int64_t>(entry.size_bytes);
  constexpr int64_t kAlwaysAllowed = int64_t{256} << 20;
  if (missing_bytes > std::max(kAlwaysAllowed, 4 * file_bytes))
    throw RuntimeError(str(where, ": the config describes weights of ", human_bytes(missing_bytes),
                           " that the checkpoint, which has ", human_bytes(file_bytes),
                           ", does not hold; config and weights do not belong together"));
}

// What the file calls otherwise than the model. A file of another framework says nothing of how ours are called.
OriginalLayout layout_of(const PreTrainedModel& model, const LoadPlan& plan, const KeyDialect& dialect) {
  OriginalLayout layout;
  if (dialect.name != "transformers") return layout;
  layout.file_rules = false;
  for (const auto& tensor : plan.tensors) {
    if (tensor.original.empty()) continue;
    layout.file_rules |= undo_file_rules(model, tensor.name) == tensor.original;
    layout.weights[tensor.name] = {tensor.original, tensor.op, tensor.heads};
  }
  return layout;
}

LoadingInfo fill(PreTrainedModel& model, const PretrainedConfig& config, const Source& source,
                 const FromPretrainedOptions& options, WeightStore& weights) {
  const auto& where = source.snapshot.source;
  const auto tensors = describe(model.state_dict());
  const auto prefix = model.base_model_prefix();
  const auto plan = plan_load(make_request(model, config, *source.reader, tensors, prefix, options));
  LoadingInfo info;
  info.missing_keys.insert(plan.missing.begin(), plan.missing.end());
  info.unexpected_keys.insert(plan.unexpected.begin(), plan.unexpected.end());
  for (const auto& m : plan.mismatched) info.mismatched_keys.emplace(m.name, m.checkpoint_shape, m.model_shape);
  if (!options.ignore_unmatched_keys)
    refuse_strangers(model, where, plan.tensors.size() + plan.mismatched.size(),
                     tensors.size() - model.all_tied_weights_keys().size(), source.reader->entries().size());
  const auto* map = model.hf_device_map ? &*model.hf_device_map : nullptr;
  const auto filled = fill_from_checkpoint(model,
                                           {.plan = &plan,
                                            .reader = source.reader,
                                            .source = where,
                                            .device_map = map,
                                            .offload_folder = options.offload_folder,
                                            .offload_state_dict = options.offload_state_dict.value_or(false)},
                                           weights, info);
  model.original_layout = layout_of(model, plan, dialect_of(*source.reader));
  for (const auto pattern : model.model_class().ignore_missing)
    std::erase_if(info.missing_keys, [&](const std::string& key) { return key_matches(pattern, key); });
  info.verdict = judge(info, model, options.ignore_mismatched_sizes);
  if (info.verdict != LoadingVerdict::Fatal) refuse_empty_shell(model, filled, *source.reader, where);
  report_loading(info, model, where, options.ignore_mismatched_sizes);
  initialise_missing(model, filled, map, weights);
  return info;
}

// How much of the weights on disk the system's cache may keep between calls: part of what is free once the weights that
// are mapped for the CPU have come in too. The rest is for the blocks that are under way and what the calls compute.
int64_t cache_budget(const PreTrainedModel& model) {
  int64_t own = 0;
  for (const auto& parameter : model.parameters())
    if (parameter.is_cpu()) own += static_cast<int64_t>(parameter.nbytes());
  return std::max<int64_t>(0, available_memory_bytes() - own) / 10 * 8;
}

// Lets the parts of the model run where the map has put them.
void dispatch(PreTrainedModel& model, std::shared_ptr<WeightStore> weights, const FromPretrainedOptions& options) {
  if (!model.hf_device_map) return;
  // Also a single accelerator: inputs come from the CPU.
  if (!needs_dispatch(*model.hf_device_map) && main_device(*model.hf_device_map).is_cpu()) return;
  const auto offloaded = weights->names();
  weights->keep_at_most(cache_budget(model));
  if (options.offload_folder && !offloaded.empty())
    write_text_atomic(*options.offload_folder / "index.json", weights->index().dump({.indent = 2}) + "\n");
  model.dispatch = std::make_shared<Dispatch>(
      model, *model.hf_device_map, std::move(weights),
      DispatchOptions{.no_split = no_split_classes(model), .offload_buffers = options.offload_buffers});
  if (!offloaded.empty())
    logging::warning(str(uint64_t{offloaded.size()},
                         " parameters are on the meta device because they were offloaded to the cpu or the disk"));
}

std::shared_ptr<GenerationConfig> generation_config_of(const Source& source, const PretrainedConfig& config) {
  // One named file stands for itself: what lies beside it may belong to other weights.
  const bool beside =
      !source.is_memory && source.snapshot.weights_file.empty() && source.snapshot.has("generation_config.json");
  return std::make_shared<GenerationConfig>(beside ? GenerationConfig::from_folder(source.snapshot.folder)
                                                   : GenerationConfig::from_model_config(config));
}

}  // namespace

std::shared_ptr<PreTrainedModel> build_on_meta(const ModelClass& row, const std::shared_ptr<PretrainedConfig>& config,
                                               Dtype dtype, const Json& arguments) {
  const nn::ParameterScope scope({.device = at::kMeta, .dtype = dtype});
  auto model = row.make(config, arguments);
  keep_in_fp32(*model, dtype);
  return model;
}

void throw_not_registered(const std::type_info& type) {
  throw TypeError(
      str("the class ", type.name(), " is not registered; name a class of models/ or add it to an Architecture"));
}

// Before memory goes into building layers that no file of this size can fill. `reader` may be null.
static void check_layers(const PretrainedConfig& config, const CheckpointReader* reader, const std::string& where) {
  const auto layers = config.get("num_hidden_layers");
  const auto tensors = reader ? static_cast<int64_t>(reader->entries().size()) : 0;
  if (layers.is_int() && layers.as_int() > std::max<int64_t>(1000, tensors))
    throw ValueError(str(where, ": the config has ", layers.as_int(), " layers, ",
                         reader ? str("the checkpoint ", tensors, " tensors; config and weights do not belong together")
                                : std::string("expected at most 1000 where there are no weights")));
}

// True when the config says that the weights are int8 as we write it. They are expanded, and the model is no longer
// quantised. ImportError for what other libraries quantised.
static bool take_quantization_config(PretrainedConfig& config, const Source& source) {
  const auto* method = config.extra.find("quantization_config");
  if (!method || method->is_null()) return false;
  if (!is_int8_config(*method, source.config_origin))
    throw ImportError(str(source.snapshot.source, ": the weights are quantised (",
                          method->is_object() ? method->get("quant_method", "?") : "?",
                          "), which this version does not compute with"));
  config.extra.erase("quantization_config");
  return true;
}

// Attaches what was found with the model; the report is of both.
static void load_adapter(PreTrainedModel& model, const Source& source, const FromPretrainedOptions& options,
                         LoadingInfo& info) {
  if (!source.adapter) return;
  auto found = detail::load_adapter_of(model, *source.adapter,
                                       {.adapter_name = options.adapter_name,
                                        .ignore_mismatched_sizes = options.ignore_mismatched_sizes,
                                        .use_safetensors = options.use_safetensors});
  if (!found.missing_keys.empty() || !found.unexpected_keys.empty() || !found.mismatched_keys.empty())
    info.verdict = LoadingVerdict::Suspicious;
  info.missing_keys.merge(found.missing_keys);
  info.unexpected_keys.merge(found.unexpected_keys);
  info.mismatched_keys.merge(found.mismatched_keys);
}

LoadResult<PreTrainedModel> load_from(Source& source, const std::shared_ptr<PretrainedConfig>& config,
                                      const ModelClass& row, const FromPretrainedOptions& options) {
  const auto& name = source.snapshot.source;
  if (options.low_cpu_mem_usage == false && options.device_map)
    throw ValueError("low_cpu_mem_usage is false, and a device_map was given; it needs low_cpu_mem_usage");
  if (config->output_attentions && options.attn_implementation.value_or("eager") != "eager")
    throw ValueError(str("output_attentions needs attn_implementation eager, ", quote(*options.attn_implementation),
                         " was asked for"));
  const bool says_int8 = take_quantization_config(*config, source);
  open_weights(source, options);
  if (says_int8 && !source.is_int8)
    throw OSError(str(source.config_origin, ": says that the weights are ", kInt8Format,
                      ", and their files do not; remove quantization_config, or quantise the model again"));
  check_layers(*config, source.reader.get(), source.config_origin);
  const auto dtype = choose_dtype(options, *config, source, row.name);
  config->dtype = std::string(info(to_data_type(dtype)).name);
  return without_torch_errors(name, [&] {
    auto model = build_described(row, config, options.kwargs, dtype, source.config_origin);
    if (options.device_map)
      model->hf_device_map = resolve_device_map(
          *model, *options.device_map, {.max_memory = options.max_memory, .offload_buffers = options.offload_buffers});
    const auto weights = std::make_shared<WeightStore>();
    auto loading_info = fill(*model, *config, source, options, *weights);
    check_complete(*model, *weights);
    dispatch(*model, weights, options);
    if (model->can_generate()) model->generation_config = generation_config_of(source, *config);
    model->eval();
    load_adapter(*model, source, options, loading_info);
    LoadResult<PreTrainedModel> result{.model = std::move(model)};
    if (options.output_loading_info) result.loading_info = std::move(loading_info);
    return result;
  });
}

std::shared_ptr<PreTrainedModel> build_pretrained_on_meta(const std::string& name, const ModelClass& row,
                                                          const FromPretrainedOptions& given) {
  auto options = modern_options(given);
  auto source = find_source(name, options);
  const auto config = choose_config(source, options);
  static_cast<void>(take_quantization_config(*config, source));
  const bool asks_weights = options.dtype && !explicit_dtype(options.dtype, "dtype") && !config->dtype;
  if (asks_weights && has_weights_here(source, options)) open_weights(source, options);
  check_layers(*config, source.reader.get(), source.config_origin);
  const auto dtype = asks_weights && !source.reader ? at::kFloat : choose_dtype(options, *config, source, row.name);
  config->dtype = std::string(info(to_data_type(dtype)).name);
  return without_torch_errors(
      name, [&] { return build_described(row, config, options.kwargs, dtype, source.config_origin); });
}

PreTrainedModel& load_tf_weights(PreTrainedModel& model, const PretrainedConfig& config,
                                 const std::filesystem::path& path) {
  const auto file = path.extension() == ".index" ? path : std::filesystem::path(path.native() + ".index");
  if (model.hf_device_map)
    throw ValueError(str(file,
                         ": fills a model on one device, this one is spread by a device map; give from_tf and the ",
                         "map to from_pretrained"));
  const Source source{.snapshot = {.source = file.string()}, .reader = open_checkpoint(file)};
  const auto device = model.device();
  without_torch_errors(file.native(), [&] {
    WeightStore none_apart;
    fill(model, config, source, {}, none_apart);
    if (!device.is_cpu()) model.to(device);
  });
  return model;
}

LoadResult<PreTrainedModel> load_pretrained(const std::optional<std::string>& name, const ModelClass& row,
                                            const FromPretrainedOptions& given) {
  auto options = modern_options(given);
  auto source = find_source(name, options);
  const auto config = choose_config(source, options);
  return load_from(source, config, row, options);
}

}  // namespace transformers
