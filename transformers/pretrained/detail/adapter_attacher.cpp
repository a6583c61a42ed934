#include "transformers/pretrained/detail/adapter_attacher.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"
#include "transformers/placement/dispatch.h"
#include "transformers/placement/materialize.h"
#include "transformers/pretrained/detail/report.h"

namespace transformers {

namespace {

constexpr std::string_view kPeftPrefix = "base_model.model.";
constexpr std::string_view kWrapped = ".base_layer.";  // before the own parameters of a layer with a path

void check_name(const std::string& name, const AdapterState* state) {
  if (name.empty() || name.find('.') != std::string::npos)
    throw ValueError(str("an adapter cannot be called ", quote(name), ": the name must not be empty and has no dot"));
  if (state && state->adapters.contains(name))
    throw ValueError(str("the model has an adapter ", quote(name), " already; choose another adapter_name"));
}

std::vector<int64_t> shape_of(const LoraTensorName& row, const nn::LoraShape& layer, int64_t rank) {
  const std::string_view kind = row.kind;
  if (kind.ends_with("_A")) return {rank, layer.in};
  if (kind == "lora_magnitude_vector" || std::string_view(row.tensor) == "bias") return {layer.out};
  return {layer.out, rank};
}

// An adapter may have been made for the body alone, or for the body inside another model.
std::vector<std::string> spellings(std::string_view key, const std::string& base_model_prefix) {
  if (key.starts_with(kPeftPrefix)) key.remove_prefix(kPeftPrefix.size());
  std::string name(key);
  if (name.ends_with(".lora_magnitude_vector.weight")) name.resize(name.size() - std::string_view(".weight").size());
  std::vector<std::string> out = {name, str(base_model_prefix, ".", name)};
  if (name.starts_with(base_model_prefix + ".")) out.push_back(name.substr(base_model_prefix.size() + 1));
  return out;
}

}  // namespace

AdapterAttacher::AdapterAttacher(PreTrainedModel& model, const LoraConfig& config, const std::string& name,
                                 std::string where)
    : model_(model), config_(config), name_(name), where_(std::move(where)) {
  const PeftAdapterMixin& mixin = model;
  check_name(name, mixin.adapters_.get());
  config_.validate(where_);
  targets_ = detail::find_lora_targets(model, config_, where_);
  own_ = model.state_dict();
  for (const auto& target : targets_) plan_path(target);
  plan_replacements();
}

void AdapterAttacher::plan_path(const detail::LoraTarget& target) {
  const auto layer = target.layer->lora_shape();
  if (layer.is_embedding && (config_.use_dora || config_.lora_bias))
    throw NotImplementedError(str(where_, ": ", quote(target.path), " is an embedding, for which this version has no ",
                                  config_.use_dora ? "DoRA (use_dora)" : "bias (lora_bias)"));
  for (const auto& row : kLoraTensorNames) {
    if (row.is_of_embedding != layer.is_embedding) continue;
    if (std::string_view(row.tensor) == "bias" && !config_.lora_bias) continue;
    if (std::string_view(row.kind) == "lora_magnitude_vector" && !config_.use_dora) continue;
    add({.key = target.path + row.suffix,
         .path = target.path,
         .row = &row,
         .parameter = row.tensor,
         .shape = shape_of(row, layer, target.rank),
         .target = &target});
  }
}

void AdapterAttacher::plan_replacements() {
  for (const auto& parameter : detail::find_replaced_parameters(model_, config_, targets_, where_)) {
    auto* slot = replacement_of(parameter);
    slot->is_wanted = config_.bias == "none" || slot->parameter != "bias";
  }
}

AdapterAttacher::Slot* AdapterAttacher::replacement_of(const std::string& key) {
  const auto* own = own_.find(key);
  if (!own || !at::isFloatingType(own->scalar_type())) return nullptr;
  const auto [path, name] = module_and_name(key);
  const auto module = module_at(model_, path);
  if (!module->named_parameters(false).contains(name) || dynamic_cast<nn::AdapterTensors*>(module.get()))
    return nullptr;
  if (const auto known = index_.find(key); known != index_.end()) return &slots_[known->second];
  return add({.key = key, .path = path, .parameter = name, .shape = own->sizes().vec(), .is_wanted = false});
}

AdapterAttacher::Slot* AdapterAttacher::add(Slot slot) {
  index_.emplace(slot.key, slots_.size());
  slots_.push_back(std::move(slot));
  return &slots_.back();
}

AdapterAttacher::Slot* AdapterAttacher::find_slot(const std::string& key_in_file) {
  for (const auto& key : spellings(key_in_file, model_.base_model_prefix())) {
    if (const auto known = index_.find(key); known != index_.end()) return &slots_[known->second];
    if (auto* slot = replacement_of(replace_all(key, kWrapped, "."))) return slot;
  }
  return nullptr;
}

void AdapterAttacher::check_size_of_missing(const CheckpointReader& reader) const {
  double missing = 0, in_file = 0;
  for (const auto& slot : slots_) {
    double count = slot.value.defined() || !slot.row ? 0 : 4;
    for (const auto size : slot.shape) count *= static_cast<double>(size);
    missing += count;
  }
  for (const auto& entry : reader.entries()) in_file += static_cast<double>(entry.size_bytes);
  constexpr double kAlwaysAllowed = 16 << 20;
  if (missing > std::max(kAlwaysAllowed, 4 * in_file))
    throw RuntimeError(str(where_, ": the config describes tensors of ", human_bytes(static_cast<int64_t>(missing)),
                           " that the adapter's file does not hold; config and weights do not belong together"));
}

LoadingInfo AdapterAttacher::read(const CheckpointReader& reader, bool ignore_mismatched_sizes) {
  LoadingInfo info;
  size_t fitting = 0;
  std::unordered_set<std::string> seen;
  for (const auto& entry : reader.entries()) {
    auto* slot = find_slot(entry.name);
    if (!slot) {
      info.unexpected_keys.insert(entry.name);
      continue;
    }
    if (!seen.insert(slot->key).second)
      throw OSError(str(where_, ": holds ", quote(slot->key), " twice, once as ", quote(entry.name)));
    ++fitting;
    if (entry.shape != slot->shape) {
      info.mismatched_keys.emplace(slot->key, entry.shape, slot->shape);
      continue;
    }
    const auto weight = own_weight(*slot);
    auto value = materialize(reader, entry, Op::Rename, 0, weight.scalar_type());
    if (!at::isFloatingType(value.scalar_type()))
      throw RuntimeError(str(where_, ": ", quote(entry.name), " is of the type ", transformers::info(entry.dtype).name,
                             ", expected a floating type"));
    slot->value = value.to(weight.device());
  }
  for (const auto& slot : slots_)
    if (slot.is_wanted && !slot.value.defined() && !seen.contains(slot.key)) info.missing_keys.insert(slot.key);
  if (fitting == 0)
    throw RuntimeError(str(where_, ": none of the ", uint64_t{reader.entries().size()},
                           " tensors in the adapter's file belongs to ", model_.model_class().name,
                           "; the adapter was made for another model"));
  report_adapter(info, model_, where_, ignore_mismatched_sizes);
  check_size_of_missing(reader);
  return info;
}

// The parameter of the model that decides type and device; one that is offloaded computes on the main device.
at::Tensor AdapterAttacher::own_weight(const Slot& slot) const {
  auto weight = own_.at(dotted(slot.path, slot.row ? std::string("weight") : slot.parameter));
  if (!weight.is_meta() || !model_.dispatch) return weight;
  return at::empty({0}, weight.options().device(model_.dispatch->main_device()));
}

at::Tensor AdapterAttacher::norm_of_weight(const Slot& slot) const {
  const auto weight = own_.at(dotted(slot.path, "weight"));
  if (weight.is_meta())
    throw NotImplementedError(str(where_, ": ", quote(slot.path),
                                  " is offloaded, and a fresh DoRA adapter needs its values; load without offloading"));
  const auto* layer = dynamic_cast<const nn::Conv1D*>(module_at(model_, slot.path).get());
  return at::linalg_vector_norm(weight, 2, {layer ? 0 : 1});
}

// The first factor is random and the second zero, or the other way round in an embedding, so that nothing changes yet.
at::Tensor AdapterAttacher::fresh(const Slot& slot) const {
  const auto weight = own_weight(slot);
  const auto options = weight.options().requires_grad(false);
  if (!slot.row) return weight.detach().clone();
  const std::string_view kind = slot.row->kind;
  if (kind == "lora_magnitude_vector") return norm_of_weight(slot).detach();
  const bool is_random = config_.init_lora_weights.is_bool() && !config_.init_lora_weights.as_bool();
  const bool is_zero = kind == "lora_B" || kind == "lora_embedding_A";
  if (is_zero && !is_random) return at::zeros(slot.shape, options);
  auto made = at::empty(slot.shape, options);
  if (slot.row->is_of_embedding) return made.normal_();
  if (config_.init_lora_weights.is_string()) return made.normal_(0, 1.0 / static_cast<double>(slot.target->rank));
  const bool is_bias = std::string_view(slot.row->tensor) == "bias";
  const auto bound = 1 / std::sqrt(static_cast<double>(is_bias ? slot.target->rank : slot.shape.back()));
  return made.uniform_(-bound, bound);
}

void AdapterAttacher::initialise() {
  const at::NoGradGuard no_grad;
  for (auto& slot : slots_) {
    if (slot.value.defined()) continue;
    if (!slot.row && own_.at(slot.key).is_meta()) {
      if (slot.is_wanted)
        throw NotImplementedError(str(where_, ": ", quote(slot.key),
                                      " is offloaded, and the adapter needs a copy of it; load without offloading"));
      continue;
    }
    if (slot.row || slot.is_wanted || config_.bias != "none") slot.value = fresh(slot);
  }
}

void AdapterAttacher::attach(bool is_trainable) {
  PeftAdapterMixin& mixin = model_;
  const bool is_first = !mixin.adapters_;
  auto state = is_first ? std::make_shared<AdapterState>() : mixin.adapters_;
  Adapter adapter{.config = config_};
  for (const auto& target : targets_) adapter.paths.push_back(target.path);
  try {
    for (const auto& slot : slots_) {
      if (!slot.value.defined()) continue;
      if (!slot.row) adapter.replaced.push_back(dotted(slot.path, slot.parameter));
      nn::adapter_tensors(*module_at(model_, slot.path), slot.row ? slot.row->kind : kReplacements, name_, true)
          ->put(slot.parameter, slot.value);
    }
    for (const auto& target : targets_)
      target.layer->attach_path(name_, {.scaling = target.scaling, .dropout = config_.lora_dropout});
  } catch (...) {
    detach_adapter(model_, name_, adapter);
    throw;
  }
  if (is_first)
    for (auto& [key, tensor] : own_)
      if (tensor.requires_grad() && tensor.is_leaf()) at::Tensor(tensor).set_requires_grad(false);
  state->adapters.set(name_, std::move(adapter));
  mixin.adapters_ = state;
  model_.set_adapter(name_);
  set_trainable(model_, *state, name_, is_trainable);
}

}  // namespace transformers
