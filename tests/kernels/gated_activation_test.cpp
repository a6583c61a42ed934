#include "transformers/kernels/gated_activation.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

#include <limits>

#include "tests/kernels/testing.h"

namespace transformers::kernels {
namespace {

constexpr Activation kActivations[] = {Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu};

at::Tensor activate(const at::Tensor& x, Activation kind) {
  if (kind == Activation::Gelu) return at::gelu(x);
  if (kind == Activation::GeluTanh) return at::gelu(x, "tanh");
  return kind == Activation::Relu ? at::relu(x) : at::silu(x);
}

TEST(GatedActivationKernel, EqualsTheComposedForm) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      for (const int64_t size : {1, 3, 17, 577, 20000}) {
        for (const Activation kind : kActivations) {
          SCOPED_TRACE(testing::Message() << dtype << " size " << size << " activation " << static_cast<int>(kind));
          const at::Tensor gate = random({2, size}, dtype).mul(5), up = random({size, 2}, dtype, 2).t();
          EXPECT_TRUE(is_close(gated_activation(gate, up, kind), activate(gate, kind).mul(up), tolerance(dtype)));
        }
      }
    }
  });
}

TEST(GatedActivationKernel, HoldsAtTheEndsOfTheRange) {
  const at::NoGradGuard no_grad;
  const float infinity = std::numeric_limits<float>::infinity();
  const at::Tensor gate =
      at::tensor({0.f, -0.f, -1e-30f, 87.f, -87.f, 88.8f, -88.8f, 104.f, -104.f, -1000.f, 1000.f, 1e30f, -1e30f,
                  infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 1e-40f});
  const at::Tensor up = at::full({gate.numel()}, 1.f);
  with_each_instruction_set([&] {
    for (const Activation kind : kActivations) {
      SCOPED_TRACE(static_cast<int>(kind));
      EXPECT_TRUE(is_close(gated_activation(gate, up, kind), activate(gate, kind), 1e-6));
    }
  });
}

TEST(GatedActivationKernel, TakesEmptyInputsAndKeepsGradients) {
  EXPECT_EQ(gated_activation(at::empty({0, 3}), at::empty({0, 3}), Activation::Silu).numel(), 0);
  const at::Tensor gate = random({3}, at::kFloat).requires_grad_();
  gated_activation(gate, random({3}, at::kFloat, 2), Activation::Silu).sum().backward();
  EXPECT_TRUE(gate.grad().defined());
}

}  // namespace
}  // namespace transformers::kernels
