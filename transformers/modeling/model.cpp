#include "transformers/modeling/model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/check_inputs.h"
#include "transformers/nn/activations.h"
#include "transformers/nn/dtypes.h"
#include "transformers/nn/torch_errors.h"
#include "transformers/placement/dispatch.h"

namespace transformers {

// The config does not know which names exist.
static void check_activations(const PretrainedConfig& config) {
  for (const auto* field : {"hidden_act", "activation_function", "dense_act_fn", "pooler_act"}) {
    const auto name = config.get(field);
    if (!name.is_string() || !config.has_field(field)) continue;
    try {
      (void)nn::activation(name.as_string());
    } catch (const ValueError& error) {
      throw ValueError(str(quote(field), ": ", error.what()));
    }
  }
}

PreTrainedModel::PreTrainedModel(std::shared_ptr<PretrainedConfig> c) : config(std::move(c)) {
  if (!config)
    throw TypeError(
        "a model needs a PretrainedConfig, none was given; use from_pretrained to load a model with its own");
  config->resolve();
  check_activations(*config);
  name_or_path = config->name_or_path;
  if (config->attn_implementation.empty()) config->attn_implementation = config->output_attentions ? "eager" : "sdpa";
  (void)attend();
}

static std::string_view class_name(const std::type_info& type) {
  const auto* row = find_model_class(type);
  return row ? row->name : std::string_view(type.name());
}

void throw_wrong_config(const std::type_info& model_class, const PretrainedConfig* config, std::string_view expected) {
  throw TypeError(str("the class ", class_name(model_class), " needs a PretrainedConfig of model_type ",
                      quote(expected), ", found ", config ? quote(config->model_type()) : std::string("none"),
                      "; use from_pretrained to load a model with its own config"));
}

void throw_unknown_arguments(const std::type_info& model_class, const Json& arguments) {
  throw TypeError(str("the class ", class_name(model_class), " and its config do not know the argument ",
                      quote(arguments.as_object().front().first)));
}

nn::AttentionFunction PreTrainedModel::attend() const {
  try {
    return nn::AttentionInterface().get_interface(config->attn_implementation);
  } catch (const KeyError& error) {
    throw ValueError(error.what());
  }
}

bool PreTrainedModel::attends_with_sdpa() const { return config->attn_implementation == "sdpa"; }

bool PreTrainedModel::attention_gives_weights() const {
  return nn::AttentionInterface().gives_weights(config->attn_implementation);
}

void PreTrainedModel::set_attn_implementation(const std::string& attn_implementation) {
  try {
    (void)nn::AttentionInterface().get_interface(attn_implementation);
  } catch (const KeyError& error) {
    throw ValueError(error.what());
  }
  visit_modules(*this, [&](const std::string&, torch::nn::Module& module) {
    if (auto* model = dynamic_cast<PreTrainedModel*>(&module)) model->config->attn_implementation = attn_implementation;
  });
}

ModelInputs PreTrainedModel::completed(const ModelInputs& inputs) const {
  ModelInputs out = inputs;
  if (!out.output_hidden_states) out.output_hidden_states = config->output_hidden_states;
  if (!out.output_attentions) out.output_attentions = config->output_attentions;
  if (!out.use_cache) {
    const auto wanted = config->get("use_cache");
    out.use_cache = wanted.is_bool() && wanted.as_bool();
  }
  if (*out.output_attentions && !attention_gives_weights())
    logging::warning_once(str("the attention implementation ", config->attn_implementation,
                              " gives no attention weights; set attn_implementation to eager to get them"));
  return out;
}

ModelOutput PreTrainedModel::run_with_hooks(ModelInputs& inputs) {
  if (hooks().empty()) return run(inputs);
  nn::Tensors tensors;
  collect_tensors(inputs, tensors);
  nn::HookScope scope(*this, *this, tensors);
  auto output = run(inputs);
  tensors.clear();
  collect_tensors(output, tensors);
  scope.finish(tensors);
  return output;
}

ModelOutput PreTrainedModel::forward(const ModelInputs& inputs) {
  return without_torch_errors(config->model_type(), [&] {
    if (!inputs.are_checked) check_inputs(*this, inputs);
    auto complete = completed(inputs);
    complete.are_checked = true;
    try {
      return run_with_hooks(complete);
    } catch (const ValueError&) {  // of an id that no embedding has, say
      explain_failure(*this, inputs);
      throw;
    } catch (const c10::Error&) {
      explain_failure(*this, inputs);
      throw;
    }
  });
}

const ModelClass& PreTrainedModel::model_class() const {
  if (const auto* row = find_model_class(typeid(*this))) return *row;
  throw RuntimeError(
      str("the class ", typeid(*this).name(), " is not registered; add it to an Architecture's classes"));
}

const Architecture& PreTrainedModel::architecture() const { return architecture_of(config->model_type()); }

std::string PreTrainedModel::base_model_prefix() const {
  const auto own = model_class().base_model_prefix;
  return std::string(own.empty() ? architecture().base_model_prefix : own);
}

PreTrainedModel& PreTrainedModel::base_model() {
  const auto children = named_children();
  if (const auto* child = children.find(base_model_prefix()))
    if (auto* model = dynamic_cast<PreTrainedModel*>(child->get())) return *model;
  return *this;
}

std::shared_ptr<torch::nn::Module> PreTrainedModel::get_input_embeddings() {
  for (const auto* path :
       {"embed_tokens", "embeddings.word_embeddings", "shared", "wte", "embeddings.patch_embeddings"})
    if (auto found = find_module(*this, path)) return found;
  if (auto& base = base_model(); &base != this) return base.get_input_embeddings();
  throw NotImplementedError(str(model_class().name, " has no input embeddings under a known name"));
}

std::shared_ptr<torch::nn::Module> PreTrainedModel::get_output_embeddings() {
  for (const auto* path : {"lm_head", "cls.predictions.decoder"})
    if (auto found = find_module(*this, path)) return found;
  return nullptr;
}

StateDict state_dict_of(torch::nn::Module& root) {
  StateDict out;
  visit_modules(root, [&](const std::string& prefix, torch::nn::Module& module) {
    const auto* facet = dynamic_cast<const nn::Facet*>(&module);
    const auto add = [&](const auto& items, bool buffers) {
      for (const auto& item : items) {
        if (!item.value().defined()) continue;
        if (buffers && facet && facet->non_persistent_buffers().contains(item.key())) continue;
        out.set(dotted(prefix, item.key()), item.value());
      }
    };
    add(module.named_parameters(false), false);
    add(module.named_buffers(false), true);
  });
  return out;
}

// The walk hands out references for writing; here they are only read.
StateDict PreTrainedModel::state_dict() const { return state_dict_of(const_cast<PreTrainedModel&>(*this)); }

OrderedMap<std::string, std::string> PreTrainedModel::all_tied_weights_keys() const {
  OrderedMap<std::string, std::string> out;
  const auto collect = [&](const std::string& prefix, const PreTrainedModel& model) {
    const auto tie = model.config->get("tie_word_embeddings");
    if (tie.is_bool() && !tie.as_bool()) return;
    const auto* row = find_model_class(typeid(model));
    if (!row) return;
    for (const auto& tied : row->tied) out.set(dotted(prefix, tied.name), dotted(prefix, tied.source));
  };
  visit_modules(const_cast<PreTrainedModel&>(*this), [&](const std::string& prefix, torch::nn::Module& module) {
    if (const auto* model = dynamic_cast<const PreTrainedModel*>(&module)) collect(prefix, *model);
  });
  const auto state = state_dict();
  OrderedMap<std::string, std::string> present;
  for (const auto& [target, source] : out)
    if (state.contains(target) && state.contains(source)) present.set(target, source);
  return present;
}

void PreTrainedModel::tie_weights() {
  const auto state = state_dict();
  for (const auto& [target, source] : all_tied_weights_keys()) {
    const auto& from = state.at(source);
    if (from.sizes() != state.at(target).sizes())
      throw ValueError(transformers::str("cannot tie ", quote(target), " of shape ", state.at(target).sizes(), " to ",
                                         quote(source), " of shape ", from.sizes(),
                                         "; set tie_word_embeddings to false in the config"));
    assign_tensor(*this, target, from);
  }
  refresh_adapters();
}

int64_t PreTrainedModel::num_parameters(bool only_trainable, bool exclude_embeddings) const {
  std::unordered_set<const void*> seen;
  int64_t count = 0;
  visit_modules(const_cast<PreTrainedModel&>(*this), [&](const std::string&, torch::nn::Module& module) {
    if (exclude_embeddings && dynamic_cast<const torch::nn::EmbeddingImpl*>(&module)) return;
    for (const auto& item : module.parameters(false))
      if (seen.insert(item.unsafeGetTensorImpl()).second && (!only_trainable || item.requires_grad()))
        count += item.numel();
  });
  return count;
}

int64_t PreTrainedModel::get_memory_footprint(bool return_buffers) const {
  std::unordered_set<const void*> seen;
  int64_t size_bytes = 0;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined() && seen.insert(tensor.unsafeGetTensorImpl()).second)
      size_bytes += tensor.numel() * static_cast<int64_t>(tensor.element_size());
  };
  for (const auto& tensor : parameters()) add(tensor);
  if (return_buffers)
    for (const auto& tensor : buffers()) add(tensor);
  return size_bytes;
}

at::Device PreTrainedModel::device() const {
  if (dispatch) return dispatch->main_device();
  for (const auto& tensor : parameters()) return tensor.device();
  for (const auto& tensor : buffers()) return tensor.device();
  return at::kCPU;
}

at::ScalarType PreTrainedModel::dtype() const {
  at::ScalarType last = at::kFloat;
  for (const auto& tensor : parameters()) {
    if (at::isFloatingType(tensor.scalar_type())) return tensor.scalar_type();
    last = tensor.scalar_type();
  }
  return last;
}

namespace {

// Replaces every parameter and buffer by `convert(tensor)`; parameters that are one tensor stay one.
template <class Convert>
void convert_tensors(PreTrainedModel& model, const Convert& convert) {
  const at::NoGradGuard no_grad;
  std::unordered_map<const void*, at::Tensor> converted;
  visit_modules(model, [&](const std::string&, torch::nn::Module& module) {
    auto* facet = dynamic_cast<nn::Facet*>(&module);
    if (!facet) return;
    const auto change = [&](const auto& items, bool is_parameter) {
      for (const auto& item : items) {
        if (!item.value().defined()) continue;
        auto& slot = converted[item.value().unsafeGetTensorImpl()];
        if (!slot.defined()) {
          slot = convert(item.value());
          if (is_parameter && slot.is_leaf() && at::isFloatingType(slot.scalar_type()))
            slot.set_requires_grad(item.value().requires_grad());
        }
        facet->assign(item.key(), slot);
      }
    };
    change(module.named_parameters(false), true);
    change(module.named_buffers(false), false);
  });
}

}  // namespace

void PreTrainedModel::to(at::ScalarType wanted, bool non_blocking) {
  if (!at::isFloatingType(wanted))
    throw ValueError(str(model_class().name, " cannot be cast to ", std::string(c10::toString(wanted)),
                         ": it is not a floating type"));
  check_movable();
  without_torch_errors(model_class().name, [&] {
    convert_tensors(*this, [&](const at::Tensor& tensor) {
      return at::isFloatingType(tensor.scalar_type()) ? tensor.detach().to(wanted, non_blocking) : tensor;
    });
    refresh_adapters();
  });
  config->dtype = std::string(info(to_data_type(wanted)).name);
}

void PreTrainedModel::check_movable() const {
  if (!dispatch) return;
  if (const auto offloaded = dispatch->weights().names(); !offloaded.empty())
    throw RuntimeError(str(model_class().name, " cannot be moved or cast: ", join(fold_names(offloaded), ", "),
                           " are offloaded; load it with another device_map or dtype"));
  if (hf_device_map && needs_dispatch(*hf_device_map))
    logging::warning(str(model_class().name, " was placed by a device map; moving it as a whole undoes that"));
}

void PreTrainedModel::to(at::Device wanted, bool non_blocking) {
  check_movable();
  dispatch.reset();
  without_torch_errors(model_class().name, [&] {
    convert_tensors(
        *this, [&](const at::Tensor& tensor) { return tensor.detach().to(at::TensorOptions(wanted), non_blocking); });
    refresh_adapters();
  });
}

void PreTrainedModel::to(at::Device wanted, at::ScalarType dtype, bool non_blocking) {
  to(dtype, non_blocking);  // first: less to move, as a rule
  to(wanted, non_blocking);
}

void visit_modules(torch::nn::Module& root, const std::function<void(const std::string&, torch::nn::Module&)>& visit) {
  const std::function<void(const std::string&, torch::nn::Module&)> walk = [&](const std::string& name,
                                                                               torch::nn::Module& module) {
    visit(name, module);
    for (const auto& item : module.named_children()) walk(dotted(name, item.key()), *item.value());
  };
  walk("", root);
}

std::shared_ptr<torch::nn::Module> find_module(torch::nn::Module& root, std::string_view path) {
  std::shared_ptr<torch::nn::Module> found;
  auto* module = &root;
  for (const auto& part : split(path, '.')) {
    auto children = module->named_children();
    auto* child = children.find(part);
    if (!child) return nullptr;
    found = *child;
    module = found.get();
  }
  return found;
}

void assign_tensor(torch::nn::Module& root, const std::string& name, at::Tensor value) {
  const auto dot = name.rfind('.');
  std::shared_ptr<torch::nn::Module> owner;
  if (dot != std::string::npos) owner = find_module(root, std::string_view(name).substr(0, dot));
  auto* module = dot == std::string::npos ? &root : owner.get();
  auto* facet = dynamic_cast<nn::Facet*>(module);
  if (!facet) throw KeyError(str("the model has no parameter or buffer ", quote(name)));
  facet->assign(dot == std::string::npos ? name : name.substr(dot + 1), std::move(value));
}

}  // namespace transformers
