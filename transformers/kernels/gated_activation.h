#pragma once

#include <ATen/core/Tensor.h>

namespace transformers::kernels {

/// Gelu is the exact one (erf); GeluTanh is the reference's "gelu_new" and "gelu_pytorch_tanh".
enum class Activation { Gelu, GeluTanh, Relu, Silu };

/// act(gate) * up, element by element; gate and up have one shape. The activation is rounded to the dtype before the
/// product, as in the reference.
[[nodiscard]] at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, Activation kind);

}  // namespace transformers::kernels
