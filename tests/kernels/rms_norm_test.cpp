#include "transformers/kernels/rms_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <limits>

#include "tests/kernels/testing.h"

namespace transformers::kernels {
namespace {

at::Tensor expected_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor normal = wide.mul(wide.pow(2).mean(-1, true).add(eps).rsqrt());
  return weight.mul(normal.to(x.scalar_type()));
}

TEST(RmsNormKernel, EqualsTheComposedForm) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      for (const int64_t size : {1, 3, 17, 64, 577, 2048}) {
        SCOPED_TRACE(testing::Message() << dtype << " size " << size);
        const at::Tensor x = random({2, 5, size}, dtype), weight = random({size}, dtype, 2);
        EXPECT_TRUE(is_close(rms_norm(x, weight, 1e-5), expected_norm(x, weight, 1e-5), tolerance(dtype)));
        const at::Tensor view = random({size, 2, 3}, dtype, 3).permute({1, 2, 0});
        EXPECT_TRUE(is_close(rms_norm(view, weight, 1e-5), expected_norm(view, weight, 1e-5), tolerance(dtype)));
      }
    }
  });
}

TEST(RmsNormKernel, RoundsBeforeTheWeightAsTheReferenceDoes) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    const at::Tensor x = random({64, 576}, at::kBFloat16), weight = random({576}, at::kBFloat16, 2);
    const at::Tensor same = rms_norm(x, weight, 1e-5).eq(expected_norm(x, weight, 1e-5));
    // The mean's last bit depends on the order of its sum and may turn a rounding, rarely.
    EXPECT_GT(same.to(at::kFloat).mean().item<float>(), 0.999f);
  });
}

TEST(RmsNormKernel, TakesEmptyInputsNanInfinityAndAnotherDtypeOfWeight) {
  const at::NoGradGuard no_grad;
  EXPECT_EQ(rms_norm(at::empty({0, 4}), at::empty({4}), 1e-6).numel(), 0);
  const at::Tensor weight = random({9}, at::kFloat, 2);
  at::Tensor x = random({3, 9}, at::kFloat);
  x[0][8] = std::numeric_limits<float>::quiet_NaN();
  x[1][0] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(is_close(rms_norm(x, weight, 1e-6), expected_norm(x, weight, 1e-6), kFloatTolerance));
  const at::Tensor narrow = random({3, 9}, at::kBFloat16);
  EXPECT_TRUE(is_close(rms_norm(narrow, weight, 1e-6), expected_norm(narrow, weight, 1e-6), kBFloat16Tolerance));
}

TEST(RmsNormKernel, KeepsGradients) {
  const at::Tensor x = random({3, 9}, at::kFloat).requires_grad_(), weight = random({9}, at::kFloat, 2);
  rms_norm(x, weight, 1e-6).sum().backward();
  EXPECT_TRUE(x.grad().defined());
}

}  // namespace
}  // namespace transformers::kernels
