#include "transformers/kernels/linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <limits>

#include "tests/kernels/testing.h"

namespace transformers::kernels {
namespace {

// The sum in float64, rounded once: what both at::linear and ours approximate.
at::Tensor expected_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  at::Tensor y = x.to(at::kDouble).matmul(weight.to(at::kDouble).t());
  if (bias.defined()) y = y.add(bias.to(at::kDouble));
  return y.to(x.scalar_type());
}

TEST(LinearKernel, EqualsTheProductForFewAndManyRowsAndOddSizes) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      for (const int64_t rows : {1, 2, 3, 4, 5, 8, 9, 17}) {
        for (const auto& [in, out] : {std::pair{1, 1}, {3, 17}, {17, 3}, {31, 6}, {577, 33}, {64, 1030}}) {
          SCOPED_TRACE(testing::Message() << dtype << " rows " << rows << " in " << in << " out " << out);
          const at::Tensor x = random({rows, in}, dtype), weight = random({out, in}, dtype, 2);
          const at::Tensor bias = random({out}, dtype, 3);
          EXPECT_TRUE(is_close(kernels::linear(x, weight), expected_linear(x, weight, {}), 10 * tolerance(dtype)));
          EXPECT_TRUE(
              is_close(kernels::linear(x, weight, bias), expected_linear(x, weight, bias), 10 * tolerance(dtype)));
        }
      }
    }
  });
}

TEST(LinearKernel, WidensWeightsBlockByBlock) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    const at::Tensor x = random({2, 9, 577}, at::kBFloat16), weight = random({2001, 577}, at::kBFloat16, 2);
    const at::Tensor bias = random({2001}, at::kBFloat16, 3);
    EXPECT_TRUE(is_close(kernels::linear(x, weight, bias), expected_linear(x, weight, bias), tolerance(at::kBFloat16)));
    EXPECT_TRUE(is_close(kernels::linear(x, weight), expected_linear(x, weight, {}), tolerance(at::kBFloat16)));
  });
}

TEST(LinearKernel, RoundsABFloat16SumOnlyOnce) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    const at::Tensor x = random({2, 576}, at::kBFloat16), weight = random({40, 576}, at::kBFloat16, 2);
    // Half a unit in the last of bfloat16's eight bits, and a little for the order of the float32 sum.
    EXPECT_TRUE(is_close(kernels::linear(x, weight).to(at::kFloat), x.to(at::kFloat).matmul(weight.to(at::kFloat).t()),
                         1.1 / 256));
  });
}

TEST(LinearKernel, TakesTransposedInputsWeightsAndSeveralLeadingDimensions) {
  const at::NoGradGuard no_grad;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = random({33, 2, 3}, dtype).permute({1, 2, 0}), weight = random({33, 18}, dtype, 2).t();
    const at::Tensor bias = random({36}, dtype, 3).slice(0, 0, 36, 2);
    const at::Tensor y = kernels::linear(x, weight, bias);
    EXPECT_TRUE(is_close(y, expected_linear(x, weight, bias), 5 * tolerance(dtype)));
    EXPECT_TRUE(is_close(kernels::linear(x, weight.contiguous(), bias), y, tolerance(dtype)));
  }
}

TEST(LinearKernel, TakesEmptyInputs) {
  const at::NoGradGuard no_grad;
  EXPECT_EQ(kernels::linear(at::empty({0, 5}), at::empty({4, 5})).sizes(), (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(kernels::linear(at::empty({2, 5}), at::empty({0, 5})).sizes(), (std::vector<int64_t>{2, 0}));
  EXPECT_EQ(kernels::linear(at::empty({2, 0}), at::empty({3, 0})).abs().max().item<float>(), 0);
}

TEST(LinearKernel, PassesOnNanAndInfinity) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      at::Tensor x = random({3, 40}, dtype);
      const at::Tensor weight = random({5, 40}, dtype, 2);
      x[0][39] = std::numeric_limits<float>::quiet_NaN();
      x[1][3] = std::numeric_limits<float>::infinity();
      EXPECT_TRUE(is_close(kernels::linear(x, weight), at::linear(x, weight), 5 * tolerance(dtype)));
    }
  });
}

TEST(LinearKernel, KeepsGradients) {
  const at::Tensor x = random({1, 8}, at::kFloat), weight = random({4, 8}, at::kFloat, 2).requires_grad_();
  kernels::linear(x, weight).sum().backward();
  EXPECT_TRUE(is_close(weight.grad(), x.expand({4, 8}), 1e-6));
}

TEST(LinearKernel, WorksWithoutDataOnMeta) {
  const at::Tensor weight = at::empty({4, 8}, at::TensorOptions().device(at::kMeta));
  EXPECT_EQ(kernels::linear(weight, weight).sizes(), (std::vector<int64_t>{4, 4}));
}

TEST(LinearKernel, RefusesShapesThatDoNotMatch) {
  const at::NoGradGuard no_grad;
  EXPECT_THROW(static_cast<void>(kernels::linear(at::empty({1, 8}), at::empty({4, 9}))), c10::Error);
}

}  // namespace
}  // namespace transformers::kernels
