#include "transformers/kernels/rotary.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>

#include "tests/kernels/testing.h"

namespace transformers::kernels {
namespace {

at::Tensor expected_rotation(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const auto halves = x.chunk(2, -1);
  return x.mul(cos).add(at::cat({halves[1].neg(), halves[0]}, -1).mul(sin));
}

TEST(RotaryKernel, EqualsTheComposedFormForViewsAndBatches) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      for (const int64_t size : {2, 6, 34, 64, 128}) {
        for (const int64_t tables : {1, 2}) {
          SCOPED_TRACE(testing::Message() << dtype << " size " << size << " tables " << tables);
          at::Tensor q = random({2, 5, 6, size}, dtype).transpose(1, 2), k = random({2, 3, 5, size}, dtype, 2);
          const at::Tensor q_before = q, q_copy = q.clone(), k_before = k;
          const at::Tensor cos = random({tables, 1, 5, size}, dtype, 3), sin = random({tables, 1, 5, size}, dtype, 4);
          apply_rotary(q, k, cos, sin);
          EXPECT_TRUE(is_close(q, expected_rotation(q_before, cos, sin), 1e-6));
          EXPECT_TRUE(is_close(k, expected_rotation(k_before, cos, sin), 1e-6));
          EXPECT_TRUE(at::equal(q_before, q_copy)) << "the input was written";
        }
      }
    }
  });
}

TEST(RotaryKernel, KeepsGradients) {
  const at::Tensor leaf = random({1, 2, 3, 4}, at::kFloat).requires_grad_();
  at::Tensor q = leaf, k = random({1, 1, 3, 4}, at::kFloat, 2);
  const at::Tensor cos = random({1, 1, 3, 4}, at::kFloat, 3), sin = random({1, 1, 3, 4}, at::kFloat, 4);
  apply_rotary(q, k, cos, sin);
  q.sum().backward();
  EXPECT_TRUE(leaf.grad().defined());
}

}  // namespace
}  // namespace transformers::kernels
