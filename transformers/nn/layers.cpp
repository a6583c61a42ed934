#include "transformers/nn/layers.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <c10/util/Exception.h>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/kernels/linear.h"
#include "transformers/kernels/rms_norm.h"
#include "transformers/nn/activations.h"

namespace transformers::nn {

// The base classes allocate nothing of size: their own options are filled in after construction.
Linear::Linear(const Options& o) : ModuleOf(torch::nn::LinearOptions(1, 0).bias(false)) {
  options = torch::nn::LinearOptions(o.in, o.out).bias(o.bias);
  parameter("weight", &weight, {o.out, o.in});
  if (o.bias) parameter("bias", &bias, {o.out});
}

at::Tensor Linear::forward(const at::Tensor& x) {
  auto y = kernels::linear(x, weight, bias);
  return has_paths() ? with_paths(x, std::move(y)) : y;
}

LoraShape Linear::lora_shape() const { return {.in = weight.size(1), .out = weight.size(0)}; }

LoraLayer::Base Linear::lora_base() const {
  return {.module = const_cast<Linear*>(this), .weight = weight, .bias = bias};
}

Conv1D::Conv1D(const Options& o) {
  parameter("weight", &weight, {o.in, o.out});
  parameter("bias", &bias, {o.out});
}

at::Tensor Conv1D::forward(const at::Tensor& x) {
  auto shape = x.sizes().vec();
  shape.back() = weight.size(1);
  auto y = at::addmm(bias, x.reshape({-1, x.size(-1)}), weight).view(shape);
  return has_paths() ? with_paths(x, std::move(y)) : y;
}

LoraShape Conv1D::lora_shape() const { return {.in = weight.size(0), .out = weight.size(1)}; }

LoraLayer::Base Conv1D::lora_base() const {
  return {.module = const_cast<Conv1D*>(this), .weight = weight.t(), .bias = bias, .is_transposed = true};
}

Embedding::Embedding(const Options& o)
    : ModuleOf(torch::nn::EmbeddingOptions(o.count, o.size)._weight(new_parameter({o.count, o.size}))) {
  if (o.padding && *o.padding >= 0 && *o.padding < o.count) options.padding_idx(*o.padding);
  slots_.emplace("weight", &weight);
}

at::Tensor Embedding::forward(const at::Tensor& ids) {
  try {
    auto y = at::embedding(weight, ids, options.padding_idx().value_or(-1));
    return has_paths() ? with_paths(ids, std::move(y)) : y;
  } catch (const c10::IndexError&) {
    throw ValueError(str("the ids run from ", ids.min().item<int64_t>(), " to ", ids.max().item<int64_t>(),
                         ", the embedding has the rows 0 to ", weight.size(0) - 1));
  }
}

LoraShape Embedding::lora_shape() const { return {.in = weight.size(0), .out = weight.size(1), .is_embedding = true}; }

LoraLayer::Base Embedding::lora_base() const { return {.module = const_cast<Embedding*>(this), .weight = weight}; }

LayerNorm::LayerNorm(const Options& o)
    : ModuleOf(torch::nn::LayerNormOptions({o.size}).eps(o.eps).elementwise_affine(false)) {
  options.elementwise_affine(true);
  parameter("weight", &weight, {o.size});
  if (o.bias) parameter("bias", &bias, {o.size});
}

at::Tensor LayerNorm::forward(const at::Tensor& x) {
  return at::layer_norm(x, options.normalized_shape(), weight, bias, options.eps());
}

RMSNorm::RMSNorm(const Options& o) : eps(o.eps) { parameter("weight", &weight, {o.size}); }

at::Tensor RMSNorm::forward(const at::Tensor& x) { return kernels::rms_norm(x, weight, eps); }

Conv2d::Conv2d(const Options& o) : ModuleOf(torch::nn::Conv2dOptions(1, 1, 1).bias(false)) {
  options = torch::nn::detail::ConvNdOptions<2>(o.in, o.out, {o.kernel, o.kernel});
  options.stride({o.stride, o.stride}).padding(torch::ExpandingArray<2>(0));
  parameter("weight", &weight, {o.out, o.in, o.kernel, o.kernel});
  parameter("bias", &bias, {o.out});
}

at::Tensor Dropout::forward(const at::Tensor& x) { return p > 0 && is_training() ? at::dropout(x, p, true) : x; }

GatedMLP::GatedMLP(const Options& o)
    : gate_proj(child<Linear>("gate_proj", {.in = o.hidden, .out = o.inner, .bias = o.bias})),
      up_proj(child<Linear>("up_proj", {.in = o.hidden, .out = o.inner, .bias = o.bias})),
      down_proj(child<Linear>("down_proj", {.in = o.inner, .out = o.hidden, .bias = o.bias})),
      activation_(o.activation) {
  (void)activation(activation_);  // an unknown name fails when the model is built, not when it runs
}

at::Tensor GatedMLP::forward(const at::Tensor& x) {
  return down_proj(gated_activation(activation_, gate_proj(x), up_proj(x)));
}

}  // namespace transformers::nn
