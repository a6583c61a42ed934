#include "transformers/modeling/adapters.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/adapter_state.h"
#include "transformers/nn/torch_errors.h"

namespace transformers {

namespace {

PreTrainedModel& model_of(PeftAdapterMixin& mixin) { return static_cast<PreTrainedModel&>(mixin); }
PreTrainedModel& model_of(const PeftAdapterMixin& mixin) {
  return static_cast<PreTrainedModel&>(const_cast<PeftAdapterMixin&>(mixin));
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string> names_of(const AdapterState& state) {
  std::vector<std::string> names;
  for (const auto& [name, adapter] : state.adapters) names.push_back(name);
  return names;
}

nn::Facet& facet_of(torch::nn::Module& module) { return dynamic_cast<nn::Facet&>(module); }

// Lends a replacement for each call of a module whose own weight is fetched for that call only.
class ReplacingHook final : public nn::Hook {
 public:
  ReplacingHook(std::string name, const at::Tensor* value) : name_(std::move(name)), value_(value) {}
  void before(torch::nn::Module& module, const nn::Tensors&) override { facet_of(module).lend(name_, *value_); }

 private:
  std::string name_;
  const at::Tensor* value_;
};

// The model's own parameter, which is to be merged.
at::Tensor own_value(PreTrainedModel& model, const std::string& parameter) {
  const auto [path, own] = module_and_name(parameter);
  auto value = module_at(model, path)->named_parameters(false)[own];
  if (value.is_meta())
    throw NotImplementedError(str(quote(parameter), " is offloaded and cannot be merged; load the model without"));
  return value;
}

// What the parameters are with the active adapters in them; new tensors, trainable when the old ones are.
std::map<std::string, at::Tensor> merged_values(PreTrainedModel& model, const AdapterState& state) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> merged;
  const auto put = [&](const std::string& parameter, auto make) {
    const auto old = own_value(model, parameter);
    merged[parameter] = make().detach().set_requires_grad(old.requires_grad());
  };
  without_torch_errors(model.model_class().name, [&] {
    for (const auto& name : state.active)
      for (const auto& parameter : state.adapters.at(name).replaced) {
        const auto [path, own] = module_and_name(parameter);
        const auto tensors = nn::adapter_tensors(*module_at(model, path), kReplacements, name);
        put(parameter, [&, key = own] { return *tensors->find(key); });
      }
    for (const auto& name : state.active)
      for (const auto& path : state.adapters.at(name).paths)
        put(dotted(path, "weight"), [&] { return lora_layer_at(model, path).merged_weight(); });
  });
  return merged;
}

// Every call computes with the model's own parameters again.
void take_back(PreTrainedModel& model, AdapterState& state) {
  for (const auto& [module, hook] : state.hooks) facet_of(*module).remove_hook(hook.get());
  state.hooks.clear();
  for (const auto& [name, adapter] : state.adapters)
    for (const auto& parameter : adapter.replaced) {
      const auto [path, own] = module_and_name(parameter);
      const auto module = module_at(model, path);
      facet_of(*module).lend(own, module->named_parameters(false)[own]);
    }
}

void lend(PreTrainedModel& model, AdapterState& state, const std::string& adapter, const std::string& parameter) {
  const auto [path, own] = module_and_name(parameter);
  const auto module = module_at(model, path);
  const auto* value = nn::adapter_tensors(*module, kReplacements, adapter)->find(own);
  if (!module->named_parameters(false)[own].is_meta()) return facet_of(*module).lend(own, *value);
  auto hook = std::make_shared<ReplacingHook>(own, value);
  facet_of(*module).add_hook(hook);
  state.hooks.emplace_back(module, std::move(hook));
}

void check_replacements(const AdapterState& state, const std::vector<std::string>& names) {
  std::map<std::string, std::string> owners;
  for (const auto& name : names)
    for (const auto& parameter : state.adapters.at(name).replaced)
      if (const auto [it, fresh] = owners.emplace(parameter, name); !fresh)
        throw ValueError(str("the adapters ", quote(it->second), " and ", quote(name), " both replace ",
                             quote(parameter), " (modules_to_save or bias); only one of them can be active"));
}

template <class Visit>
void visit_tensors(PreTrainedModel& model, const std::string& name, const Adapter& adapter, const Visit& visit) {
  const auto visit_all = [&](const std::string& path, const std::shared_ptr<nn::AdapterTensors>& tensors) {
    if (tensors)
      for (const auto& item : tensors->named_parameters(false)) visit(path, item.key(), item.value());
  };
  for (const auto& path : adapter.paths)
    for (const auto& row : kLoraTensorNames)
      if (std::string_view(row.tensor) == "weight")
        visit_all(path, nn::adapter_tensors(*module_at(model, path), row.kind, name));
  for (const auto& parameter : adapter.replaced) {
    const auto path = module_and_name(parameter).first;
    visit_all(path, nn::adapter_tensors(*module_at(model, path), kReplacements, name));
  }
}

}  // namespace

std::pair<std::string, std::string> module_and_name(const std::string& parameter) {
  const auto dot = parameter.rfind('.');
  if (dot == std::string::npos) return {"", parameter};
  return {parameter.substr(0, dot), parameter.substr(dot + 1)};
}

std::shared_ptr<torch::nn::Module> module_at(PreTrainedModel& model, const std::string& path) {
  auto found = path.empty() ? model.shared_from_this() : find_module(model, path);
  if (!found) throw RuntimeError(str(model.model_class().name, " has no module ", quote(path), " any more"));
  return found;
}

nn::LoraLayer& lora_layer_at(PreTrainedModel& model, const std::string& path) {
  return dynamic_cast<nn::LoraLayer&>(*module_at(model, path));
}

void apply_adapters(PreTrainedModel& model, AdapterState& state) {
  take_back(model, state);
  const auto used = state.is_enabled ? state.active : std::vector<std::string>();
  for (const auto& [name, adapter] : state.adapters)
    for (const auto& path : adapter.paths) lora_layer_at(model, path).use_paths(used);
  for (const auto& name : used)
    for (const auto& parameter : state.adapters.at(name).replaced) lend(model, state, name, parameter);
}

void set_trainable(PreTrainedModel& model, const AdapterState& state, const std::string& adapter, bool is_trainable) {
  visit_tensors(model, adapter, state.adapters.at(adapter),
                [&](const std::string&, const std::string&, const at::Tensor& tensor) {
                  if (at::isFloatingType(tensor.scalar_type())) tensor.set_requires_grad(is_trainable);
                });
}

void detach_adapter(PreTrainedModel& model, const std::string& name, const Adapter& adapter) {
  for (const auto& path : adapter.paths) lora_layer_at(model, path).remove_path(name);
  for (const auto& parameter : adapter.replaced)
    nn::drop_adapter_tensors(*module_at(model, module_and_name(parameter).first), kReplacements, name);
}

AdapterState& PeftAdapterMixin::attached() const {
  if (!adapters_) throw ValueError("no adapter is attached to this model; load one with load_adapter first");
  return *adapters_;
}

void PeftAdapterMixin::refresh_adapters() {
  if (adapters_) apply_adapters(model_of(*this), *adapters_);
}

void PeftAdapterMixin::set_adapter(const AdapterNames& wanted) {
  auto& state = attached();
  std::vector<std::string> unknown;
  for (const auto& name : wanted.names)
    if (!state.adapters.contains(name)) unknown.push_back(quote(name));
  if (!unknown.empty())
    throw ValueError(str("the model has no adapter ", join(unknown, ", "), "; it has ", join(names_of(state), ", ")));
  check_replacements(state, wanted.names);
  auto& model = model_of(*this);
  state.active = wanted.names;
  for (const auto& [name, adapter] : state.adapters) set_trainable(model, state, name, contains(state.active, name));
  apply_adapters(model, state);
}

void PeftAdapterMixin::disable_adapters() {
  auto& state = attached();
  state.is_enabled = false;
  for (const auto& [name, adapter] : state.adapters) set_trainable(model_of(*this), state, name, false);
  apply_adapters(model_of(*this), state);
}

void PeftAdapterMixin::enable_adapters() {
  auto& state = attached();
  state.is_enabled = true;
  for (const auto& name : state.active) set_trainable(model_of(*this), state, name, true);
  apply_adapters(model_of(*this), state);
}

std::vector<std::string> PeftAdapterMixin::active_adapters() const { return attached().active; }

OrderedMap<std::string, LoraConfig> PeftAdapterMixin::peft_config() const {
  OrderedMap<std::string, LoraConfig> out;
  for (const auto& [name, adapter] : attached().adapters) out.set(name, adapter.config);
  return out;
}

StateDict PeftAdapterMixin::get_adapter_state_dict(const std::optional<std::string>& wanted) const {
  const auto& state = attached();
  const auto name = wanted ? *wanted : state.active.empty() ? std::string() : state.active.front();
  const auto* adapter = state.adapters.find(name);
  if (!adapter)
    throw ValueError(str("the model has no adapter ", quote(name), "; it has ", join(names_of(state), ", ")));
  auto& model = model_of(*this);
  StateDict out;
  for (const auto& path : adapter->paths)
    for (const auto& row : kLoraTensorNames)
      if (const auto tensors = nn::adapter_tensors(*module_at(model, path), row.kind, name))
        if (const auto* tensor = tensors->find(row.tensor)) out.set(path + row.suffix, *tensor);
  for (const auto& parameter : adapter->replaced) {
    const auto [path, own] = module_and_name(parameter);
    const auto* tensor = nn::adapter_tensors(*module_at(model, path), kReplacements, name)->find(own);
    // A layer that is wrapped in the reference has its own parameters one level deeper.
    out.set(contains(adapter->paths, path) ? str(path, ".base_layer.", own) : parameter, *tensor);
  }
  return out;
}

void PeftAdapterMixin::delete_adapter(const AdapterNames& wanted) {
  auto& state = attached();
  for (const auto& name : wanted.names)
    if (!state.adapters.contains(name))
      throw ValueError(
          str("the model has no adapter ", quote(name), " to delete; it has ", join(names_of(state), ", ")));
  auto& model = model_of(*this);
  take_back(model, state);
  for (const auto& name : wanted.names) {
    const auto* adapter = state.adapters.find(name);
    if (!adapter) continue;  // named twice
    detach_adapter(model, name, *adapter);
    state.adapters.erase(name);
    std::erase(state.active, name);
  }
  if (state.adapters.empty()) return adapters_.reset();
  if (state.active.empty()) {
    auto names = names_of(state);
    state.active = {*std::min_element(names.begin(), names.end())};
    logging::warning(str("the active adapter was deleted; ", quote(state.active.front()), " is active now"));
  }
  apply_adapters(model, state);
}

void PeftAdapterMixin::merge_and_unload() {
  auto& state = attached();
  auto& model = model_of(*this);
  const bool was_enabled = std::exchange(state.is_enabled, true);  // switched off, they are still those that are meant
  if (!was_enabled) apply_adapters(model, state);
  std::map<std::string, at::Tensor> merged;
  try {
    merged = merged_values(model, state);
  } catch (...) {
    if (!was_enabled) disable_adapters();
    throw;
  }
  delete_adapter(names_of(state));
  for (const auto& [parameter, value] : merged) assign_tensor(model, parameter, value);
}

}  // namespace transformers
