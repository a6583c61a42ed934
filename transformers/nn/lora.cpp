#include "transformers/nn/lora.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/kernels/linear.h"

namespace transformers::nn {

void AdapterTensors::put(const std::string& name, at::Tensor value) {
  auto& slot = values_[name];
  if (parameters_.contains(name))
    parameters_[name] = value;
  else
    register_parameter(name, value, value.requires_grad());
  slot = std::move(value);
  slots_.insert_or_assign(name, &slot);
}

const at::Tensor* AdapterTensors::find(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

namespace {

std::shared_ptr<torch::nn::Module> child_of(const torch::nn::Module& module, const std::string& name) {
  const auto children = module.named_children();
  const auto* found = children.find(name);
  return found ? *found : nullptr;
}

}  // namespace

std::shared_ptr<AdapterTensors> adapter_tensors(torch::nn::Module& module, const std::string& kind,
                                                const std::string& adapter, bool make) {
  auto group = child_of(module, kind);
  if (!group && make) group = module.register_module(kind, std::make_shared<Module>());
  if (!group) return nullptr;
  if (auto found = child_of(*group, adapter)) return std::dynamic_pointer_cast<AdapterTensors>(found);
  if (!make) return nullptr;
  auto made = std::make_shared<AdapterTensors>();
  made->train(module.is_training());
  return group->register_module(adapter, std::move(made));
}

void drop_adapter_tensors(torch::nn::Module& module, const std::string& kind, const std::string& adapter) {
  const auto group = child_of(module, kind);
  if (!group || !child_of(*group, adapter)) return;
  group->unregister_module(adapter);
  if (group->children().empty()) module.unregister_module(kind);
}

void LoraLayer::attach_path(const std::string& adapter, const LoraOptions& options) {
  auto& module = *lora_base().module;
  const std::string prefix = lora_shape().is_embedding ? "lora_embedding_" : "lora_";
  const auto a = adapter_tensors(module, prefix + "A", adapter), b = adapter_tensors(module, prefix + "B", adapter);
  if (!a || !b || !a->find("weight") || !b->find("weight"))
    throw RuntimeError(str("the adapter ", quote(adapter), " has no tensors for its path"));
  const auto magnitude = adapter_tensors(module, "lora_magnitude_vector", adapter);
  std::erase_if(paths_, [&](const Path& path) { return path.adapter == adapter; });
  paths_.push_back({.adapter = adapter,
                    .options = options,
                    .a = a->find("weight"),
                    .b = b->find("weight"),
                    .b_bias = b->find("bias"),
                    .magnitude = magnitude ? magnitude->find("weight") : nullptr});
}

void LoraLayer::remove_path(const std::string& adapter) {
  for (auto* list : {&paths_, &used_}) std::erase_if(*list, [&](const Path& path) { return path.adapter == adapter; });
  for (const auto* kind : {"lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector"})
    drop_adapter_tensors(*lora_base().module, kind, adapter);
}

void LoraLayer::use_paths(const std::vector<std::string>& adapters) {
  used_.clear();
  for (const auto& adapter : adapters)
    for (const auto& path : paths_)
      if (path.adapter == adapter) used_.push_back(path);
}

at::Tensor LoraLayer::embedded(const Path& path, const at::Tensor& ids) const {
  return at::embedding(path.a->t(), ids).matmul(path.b->t()) * path.options.scaling;
}

// The magnitude scales each row of the adapted weight, whose norm counts as a constant.
at::Tensor LoraLayer::decomposed(const Path& path, const Base& base, const at::Tensor& x, const at::Tensor& y) const {
  const auto dtype = x.scalar_type();
  const bool drops = path.options.dropout > 0 && base.module->is_training();
  const auto input = drops ? at::dropout(x, path.options.dropout, true) : x;
  const auto weight = base.weight.to(dtype);
  const auto norm = [&] {
    const at::NoGradGuard no_grad;
    return at::linalg_vector_norm(weight + path.b->matmul(*path.a).to(dtype) * path.options.scaling, 2, {1});
  }();
  auto own = y;
  if (drops)
    own = kernels::linear(input, weight);
  else if (base.bias.defined())
    own = y - base.bias;
  const auto factor = (*path.magnitude / norm).view({1, -1});
  const auto low_rank = kernels::linear(kernels::linear(input, *path.a), *path.b);
  return (factor - 1) * own + factor * low_rank * path.options.scaling;
}

at::Tensor LoraLayer::with_paths(const at::Tensor& x, at::Tensor y) const {
  const auto dtype = y.scalar_type();
  const auto base = lora_base();
  const bool is_embedding = lora_shape().is_embedding;
  for (const auto& path : used_) {
    if (is_embedding) {
      y = y + embedded(path, x);
      continue;
    }
    const auto input = x.to(path.a->scalar_type());
    if (path.magnitude) {
      y = y + decomposed(path, base, input, y);
      continue;
    }
    const bool drops = path.options.dropout > 0 && base.module->is_training();
    const auto inner = kernels::linear(drops ? at::dropout(input, path.options.dropout, true) : input, *path.a);
    y = y + kernels::linear(inner, *path.b, path.b_bias ? *path.b_bias : at::Tensor()) * path.options.scaling;
  }
  return y.to(dtype);
}

at::Tensor LoraLayer::merged_weight() const {
  const at::NoGradGuard no_grad;
  const auto base = lora_base();
  const auto at_least_float = [](const at::Tensor& x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); };
  const auto unmerged = at_least_float(base.weight);  // (out, in); an embedding's table (in, out)
  auto weight = unmerged;
  for (const auto& path : used_) {
    auto delta = at_least_float(*path.b).matmul(at_least_float(*path.a)) * path.options.scaling;
    if (lora_shape().is_embedding) delta = delta.t();
    if (path.magnitude && used_.size() > 1)
      throw NotImplementedError("a DoRA adapter is merged alone; set_adapter to it before merging");
    if (path.b_bias) throw NotImplementedError("an adapter with lora_bias cannot be merged; keep it beside the model");
    weight = weight + delta;
    if (!path.magnitude) continue;
    const auto norm = at::linalg_vector_norm(unmerged + delta, 2, {1});
    weight = weight * (at_least_float(*path.magnitude) / norm).unsqueeze(1);
  }
  if (base.is_transposed) weight = weight.t();
  return weight.to(base.weight.scalar_type()).contiguous();
}

}  // namespace transformers::nn
