#include "transformers/kernels/gated_activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

#include "transformers/base/error.h"

namespace transformers::kernels {

static at::Tensor activate(const at::Tensor& x, Activation kind) {
  switch (kind) {
    case Activation::Gelu:
      return at::gelu(x);
    case Activation::GeluTanh:
      return at::gelu(x, "tanh");
    case Activation::Relu:
      return at::relu(x);
    case Activation::Silu:
      return at::silu(x);
  }
  throw ValueError("gated_activation: the activation is none of gelu, gelu_tanh, relu and silu");
}

at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, Activation kind) {
  return activate(gate, kind) * up;
}

}  // namespace transformers::kernels
