#include "transformers/pretrained/load.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/parallel.h"
#include "transformers/base/strings.h"
#include "transformers/config/generation_config.h"
#include "transformers/mapping/dialects/gguf.h"
#include "transformers/mapping/key_match.h"
#include "transformers/mapping/load_plan.h"
#include "transformers/nn/dtypes.h"
#include "transformers/nn/torch_errors.h"
#include "transformers/placement/materialize.h"
#include "transformers/pretrained/detail/key_mapping.h"
#include "transformers/pretrained/detail/report.h"
#include "transformers/pretrained/detail/source.h"

namespace transformers {

namespace {

// The floating type that the model gets: asked for, or "auto": config, then the first floating tensor of the file.
at::ScalarType choose_dtype(const FromPretrainedOptions& options, const PretrainedConfig& config,
                            const Source& source) {
  const auto* reader = source.reader.get();
  const auto wanted = options.dtype.value_or("float32");
  if (wanted != "auto") return floating_type(wanted, "dtype");
  if (config.dtype) return floating_type(*config.dtype, source.config_origin + ": 'dtype'");
  if (reader) {
    if (const auto* stated = reader->metadata().find("dtype");
        stated && stated->is_string() && reader->dialect() != "gguf")
      return floating_type(stated->as_string(), "the index");
    for (const auto& entry : reader->entries()) {
      const auto& row = info(entry.dtype);
      const auto type = to_scalar_type(entry.dtype);
      if (row.is_floating && !row.is_quantized && type && row.block_bytes > 1) return *type;
    }
  }
  return at::kFloat;
}

std::shared_ptr<PreTrainedModel> build_on_meta(const ModelClass& row, const std::shared_ptr<PretrainedConfig>& config,
                                               const Json& arguments, at::ScalarType dtype, const std::string& origin) {
  const nn::ParameterScope scope({.device = at::kMeta, .dtype = dtype});
  try {
    return row.make(config, arguments);
  } catch (const ValueError& error) {
    throw ValueError(str(origin, ": the config does not describe a model: ", error.what()));
  }
}

// A key that `_tied_weights_keys` names may lie in a file under any of its names: see fill_ties.
using Filled = std::unordered_map<std::string, at::Tensor>;

bool keeps_float32(const Architecture& architecture, const std::string& name, at::ScalarType dtype) {
  if (dtype != at::kHalf) return false;
  const auto parts = split(name, '.');
  return std::any_of(architecture.keep_in_fp32.begin(), architecture.keep_in_fp32.end(), [&](std::string_view module) {
    return std::find(parts.begin(), parts.end(), module) != parts.end();
  });
}

int64_t head_count(const PretrainedConfig& config, const std::string& field) {
  const auto value = field.empty() ? Json() : config.get(field);
  return value.is_int() ? value.as_int() : 0;
}

Filled read_tensors(const LoadPlan& plan, const CheckpointReader& reader, const PreTrainedModel& model,
                    at::ScalarType dtype) {
  std::vector<at::Tensor> tensors(plan.tensors.size());
  const auto& architecture = model.architecture();
  const auto total = static_cast<int64_t>(tensors.size());
  std::atomic<size_t> done{0};
  const auto read = [&](size_t i) {
    const auto& planned = plan.tensors[i];
    const auto type = keeps_float32(architecture, planned.name, dtype) ? at::kFloat : dtype;
    tensors[i] = materialize(reader, *planned.entry, planned.op, head_count(*model.config, planned.heads), type);
    logging::report_progress({"Loading weights", static_cast<int64_t>(++done), total, "tensors"});
  };
  // Views of the mapping cost nothing; threads pay only where tensors are expanded or cast.
  const bool all_views = std::all_of(plan.tensors.begin(), plan.tensors.end(), [&](const PlannedTensor& planned) {
    return planned.op == Op::Rename && to_scalar_type(planned.entry->dtype) == dtype;
  });
  run_parallel(tensors.size(), read,
               {.threads = all_views ? 1 : std::clamp(std::thread::hardware_concurrency(), 1u, 4u)});
  Filled filled;
  for (size_t i = 0; i < tensors.size(); ++i) filled.emplace(plan.tensors[i].name, std::move(tensors[i]));
  return filled;
}

// Integer weights would load and fail in the first product.
void check_types(const PreTrainedModel& model, const Filled& filled, const std::string& where) {
  const auto state = model.state_dict();
  for (const auto& [name, tensor] : filled)
    if (at::isFloatingType(state.at(name).scalar_type()) != at::isFloatingType(tensor.scalar_type()))
      throw RuntimeError(str(where, ": ", quote(name), " is of type ", info(to_data_type(tensor.scalar_type())).name,
                             " in the checkpoint, the model needs a floating type there"));
}

// Ties what the class declares unless the file contradicts it, whichever of the names the file used.
void fill_ties(PreTrainedModel& model, Filled& filled, std::set<std::string>& missing) {
  for (const auto& [target, source] : model.all_tied_weights_keys()) {
    const auto from = filled.find(source), to = filled.find(target);
    const bool has_source = from != filled.end(), has_target = to != filled.end();
    if (has_source && has_target && !at::equal(from->second, to->second)) {
      logging::warning(str("the checkpoint holds different values for ", quote(target), " and ", quote(source),
                           ", which the config ties; both are kept; set tie_word_embeddings to false to say so"));
      continue;
    }
    if (!has_source && has_target) filled.emplace(source, to->second);
    if (!has_source && !has_target) continue;  // both stay missing; the tie made on meta is renewed after initialising
    filled[target] = filled.at(source);
    missing.erase(source);
    missing.erase(target);
  }
}

void assign_all(PreTrainedModel& model, const Filled& filled) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : filled) {
    auto value = tensor;
    if (at::isFloatingType(value.scalar_type())) value.set_requires_grad(true);
    assign_tensor(model, name, value);
  }
}

// Gives the tensors that nothing filled real memory and fresh values; loaded neighbours in the module are not touched.
void initialise_missing(PreTrainedModel& model) {
  const at::NoGradGuard no_grad;
  const std::function<void(PreTrainedModel&, torch::nn::Module&)> walk = [&](PreTrainedModel& rules,
                                                                             torch::nn::Module& module) {
    for (const auto& child : module.children()) {
      auto* nested = dynamic_cast<PreTrainedModel*>(child.get());
      walk(nested ? *nested : rules, *child);
    }
    auto* facet = dynamic_cast<nn::Facet*>(&module);
    const auto own = module.named_parameters(false);
    const auto is_missing = [](const at::Tensor& tensor) { return tensor.defined() && tensor.is_meta(); };
    if (!facet || std::none_of(own.begin(), own.end(), [&](const auto& item) { return is_missing(item.value()); }))
      return;
    for (const auto& item : own) {
      if (!item.value().defined()) continue;
      const auto shaped = at::empty(item.value().sizes(),
                                    item.value().options().device(is_missing(item.value()) ? at::kCPU : at::kMeta));
      facet->assign(item.key(), shaped.set_requires_grad(true));
    }
    rules._init_weights(module);  // skips what stands on meta
    for (const auto& item : own)
      if (item.value().defined() && !is_missing(item.value())) facet->assign(item.key(), item.value());
  };
  walk(model, model);
}

// Ties whose two names were both absent from the file, now that their source has values.
void tie_initialised(PreTrainedModel& model, const Filled& filled) {
  const auto state = model.state_dict();
  for (const auto& [target, source] : model.all_tied_weights_keys())
    if (!filled.contains(target) && !filled.contains(source)) assign_tensor(model, target, state.at(source));
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
      for (const auto& name : facet->non_persistent_buffers())
        names.insert(prefix.empty() ? name : prefix + "." + name);
  });
  return names;
}

LoadRequest make_request(PreTrainedModel& model, const CheckpointReader& reader,
                         const std::vector<ModelTensor>& tensors, const std::string& prefix,
                         const FromPretrainedOptions& options) {
  const auto& architecture = model.architecture();
  LoadRequest request{.model = tensors,
                      .entries = reader.entries(),
                      .base_model_prefix = prefix,
                      .own_buffers = non_persistent_buffers(model)};
  if (options.key_mapping) request.rename = detail::KeyMapping(*options.key_mapping);
  if (reader.dialect() == "gguf") {
    request.rules.push_back(gguf_rules(reader));
    for (const auto key : gguf_ignored_keys()) request.ignore_unexpected.push_back(key);
  }
  request.rules.push_back(architecture.file_rules);
  request.rules.push_back(architecture.key_rules);
  for (const auto pattern : architecture.ignore_unexpected) request.ignore_unexpected.push_back(pattern);
  for (const auto pattern : model.model_class().ignore_unexpected) request.ignore_unexpected.push_back(pattern);
  return request;
}

// Every parameter has come from the file, a tie or a listed initialisation; anything else is a bug of ours.
void check_complete(PreTrainedModel& model) {
  for (const auto& [name, tensor] : model.state_dict())
    if (tensor.is_meta()) throw RuntimeError(str("after loading, ", quote(name), " has no values"));
}

// A file of a few bytes must not make us initialise a model of gigabytes: such a pair does not belong together.
void refuse_empty_shell(const PreTrainedModel& model, const Filled& filled, const CheckpointReader& reader,
                        const std::string& where) {
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

LoadingInfo fill(PreTrainedModel& model, const CheckpointReader& reader, const FromPretrainedOptions& options,
                 at::ScalarType dtype, const std::string& where) {
  const auto tensors = describe(model.state_dict());
  const auto prefix = model.base_model_prefix();
  const auto plan = plan_load(make_request(model, reader, tensors, prefix, options));
  LoadingInfo info;
  info.missing_keys.insert(plan.missing.begin(), plan.missing.end());
  info.unexpected_keys.insert(plan.unexpected.begin(), plan.unexpected.end());
  for (const auto& m : plan.mismatched) info.mismatched_keys.emplace(m.name, m.checkpoint_shape, m.model_shape);
  auto filled = read_tensors(plan, reader, model, dtype);
  check_types(model, filled, where);
  fill_ties(model, filled, info.missing_keys);
  for (const auto pattern : model.model_class().ignore_missing)
    std::erase_if(info.missing_keys, [&](const std::string& key) { return key_matches(pattern, key); });
  refuse_empty_shell(model, filled, reader, where);
  report_loading(info, model, where, options.ignore_mismatched_sizes);
  assign_all(model, filled);
  initialise_missing(model);
  tie_initialised(model, filled);
  return info;
}

std::shared_ptr<GenerationConfig> generation_config_of(const Source& source, const PretrainedConfig& config) {
  // One named file stands for itself: what lies beside it may belong to other weights.
  const bool beside =
      !source.is_memory && source.snapshot.weights_file.empty() && source.snapshot.has("generation_config.json");
  return std::make_shared<GenerationConfig>(beside ? GenerationConfig::from_pretrained(source.snapshot.folder)
                                                   : GenerationConfig::from_model_config(config));
}

}  // namespace

void throw_not_registered(const std::type_info& type) {
  throw TypeError(
      str("the class ", type.name(), " is not registered; name a class of models/ or add it to an Architecture"));
}

// Before memory goes into building layers that no file of this size can fill.
static void check_layers(const PretrainedConfig& config, const CheckpointReader& reader, const std::string& where) {
  const auto layers = config.get("num_hidden_layers");
  const auto most = std::max<int64_t>(1000, static_cast<int64_t>(reader.entries().size()));
  if (layers.is_int() && layers.as_int() > most)
    throw ValueError(str(where, ": the config has ", layers.as_int(), " layers, the checkpoint ",
                         reader.entries().size(), " tensors; config and weights do not belong together"));
}

LoadResult<PreTrainedModel> load_from(Source& source, const std::shared_ptr<PretrainedConfig>& config,
                                      const ModelClass& row, const FromPretrainedOptions& options) {
  const auto& name = source.snapshot.source;
  if (config->output_attentions && options.attn_implementation.value_or("eager") != "eager")
    throw ValueError(str("output_attentions needs attn_implementation eager, ", quote(*options.attn_implementation),
                         " was asked for"));
  if (const auto* method = config->extra.find("quantization_config"); method && !method->is_null())
    throw ImportError(str(source.config_origin, ": the weights are quantised (",
                          method->is_object() ? method->get("quant_method", "?") : "?",
                          "), which this version does not compute with"));
  open_weights(source, options);
  check_layers(*config, *source.reader, source.config_origin);
  const auto dtype = choose_dtype(options, *config, source);
  config->dtype = std::string(info(to_data_type(dtype)).name);
  return without_torch_errors(name, [&] {
    auto model = build_on_meta(row, config, options.kwargs, dtype, source.config_origin);
    auto loading_info = fill(*model, *source.reader, options, dtype, name);
    check_complete(*model);
    if (model->can_generate()) model->generation_config = generation_config_of(source, *config);
    model->eval();
    LoadResult<PreTrainedModel> result{.model = std::move(model)};
    if (options.output_loading_info) result.loading_info = std::move(loading_info);
    return result;
  });
}

LoadResult<PreTrainedModel> load_pretrained(const std::optional<std::string>& name, const ModelClass& row,
                                            const FromPretrainedOptions& given) {
  auto options = modern_options(given);
  auto source = find_source(name, options);
  const auto config = choose_config(source, options);
  return load_from(source, config, row, options);
}

}  // namespace transformers
