#include "transformers/nn/activations.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/mish.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/relu6.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

#include <cmath>
#include <numbers>
#include <optional>
#include <string>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/kernels/gated_activation.h"

namespace transformers::nn {

namespace {

at::Tensor gelu(const at::Tensor& x) { return at::gelu(x); }
at::Tensor gelu_tanh(const at::Tensor& x) { return at::gelu(x, "tanh"); }
// Written out: the reference's own formula, which differs from the tanh kernel in the last bits.
at::Tensor gelu_new(const at::Tensor& x) {
  return 0.5 * x * (1.0 + at::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x.pow(3.0))));
}
at::Tensor gelu_fast(const at::Tensor& x) {
  return 0.5 * x * (1.0 + at::tanh(x * 0.7978845608 * (1.0 + 0.044715 * x * x)));
}
at::Tensor gelu_10(const at::Tensor& x) { return at::gelu(x).clamp(-10, 10); }
at::Tensor quick_gelu(const at::Tensor& x) { return x * at::sigmoid(1.702 * x); }
at::Tensor relu(const at::Tensor& x) { return at::relu(x); }
at::Tensor relu2(const at::Tensor& x) { return at::relu(x).square(); }
at::Tensor relu6(const at::Tensor& x) { return at::relu6(x); }
at::Tensor leaky_relu(const at::Tensor& x) { return at::leaky_relu(x); }
at::Tensor silu(const at::Tensor& x) { return at::silu(x); }
at::Tensor mish(const at::Tensor& x) { return at::mish(x); }
at::Tensor sigmoid(const at::Tensor& x) { return at::sigmoid(x); }
at::Tensor tanh(const at::Tensor& x) { return at::tanh(x); }
at::Tensor linear(const at::Tensor& x) { return x; }

struct Row {
  std::string_view name;
  Activation function;
  std::optional<kernels::Activation> fused = std::nullopt;  // the kernel of act(gate) * up
};

constexpr Row kActivations[] = {
    {"gelu", gelu, kernels::Activation::Gelu},
    {"gelu_10", gelu_10},
    {"gelu_accurate", gelu_new},
    {"gelu_fast", gelu_fast},
    {"gelu_new", gelu_new, kernels::Activation::GeluTanh},
    {"gelu_python", gelu, kernels::Activation::Gelu},
    {"gelu_pytorch_tanh", gelu_tanh, kernels::Activation::GeluTanh},
    {"leaky_relu", leaky_relu},
    {"linear", linear},
    {"mish", mish},
    {"quick_gelu", quick_gelu},
    {"relu", relu, kernels::Activation::Relu},
    {"relu2", relu2},
    {"relu6", relu6},
    {"sigmoid", sigmoid},
    {"silu", silu, kernels::Activation::Silu},
    {"swish", silu, kernels::Activation::Silu},
    {"tanh", tanh},
};

const Row& row(std::string_view name) {
  for (const auto& candidate : kActivations)
    if (candidate.name == name) return candidate;
  throw ValueError(str("unknown activation ", quote(name), "; known are ", join(activation_names(), ", ")));
}

}  // namespace

Activation activation(std::string_view name) { return row(name).function; }

at::Tensor gated_activation(std::string_view name, const at::Tensor& gate, const at::Tensor& up) {
  const auto& found = row(name);
  if (found.fused) return kernels::gated_activation(gate, up, *found.fused);
  return found.function(gate) * up;
}

std::vector<std::string_view> activation_names() {
  std::vector<std::string_view> names;
  for (const auto& candidate : kActivations) names.push_back(candidate.name);
  return names;
}

}  // namespace transformers::nn
