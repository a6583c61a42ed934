#include "transformers/kernels/gated_activation.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

#include "transformers/base/error.h"
#include "transformers/kernels/fused.h"

namespace transformers::kernels {

// Elements that one thread computes while another wakes up.
constexpr int64_t kGrain = 8 * 1024;

static at::Tensor activate(const at::Tensor& x, Activation kind) {
  switch (kind) {
    case Activation::Gelu: return at::gelu(x);
    case Activation::GeluTanh: return at::gelu(x, "tanh");
    case Activation::Relu: return at::relu(x);
    case Activation::Silu: return at::silu(x);
  }
  throw ValueError("gated_activation: the activation is none of gelu, gelu_tanh, relu and silu");
}

static std::optional<cpu::Gate> fused_kind(Activation kind) {
  switch (kind) {
    case Activation::GeluTanh: return cpu::Gate::GeluTanh;
    case Activation::Relu: return cpu::Gate::Relu;
    case Activation::Silu: return cpu::Gate::Silu;
    case Activation::Gelu: return std::nullopt;
  }
  return std::nullopt;
}

static at::Tensor fuse(const at::Tensor& gate, const at::Tensor& up, cpu::Gate kind) {
  at::Tensor y = at::empty_like(gate);
  const cpu::GatedActivationArgs args{.element = element_of(gate),
                                      .gate_kind = kind,
                                      .gate = gate.const_data_ptr(),
                                      .up = up.const_data_ptr(),
                                      .y = y.data_ptr()};
  at::parallel_for(0, gate.numel(), kGrain,
                   [&](int64_t begin, int64_t end) { cpu::gated_activation(args, begin, end); });
  return y;
}

at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, Activation kind) {
  const auto fused = fused_kind(kind);
  if (fused && can_fuse({&gate, &up}) && gate.sizes() == up.sizes()) {
    return fuse(gate.contiguous(), up.contiguous(), *fused);
  }
  return activate(gate, kind) * up;
}

}  // namespace transformers::kernels
