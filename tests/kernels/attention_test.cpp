#include "transformers/kernels/attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "tests/kernels/testing.h"

namespace transformers::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

at::Tensor causal_mask(int64_t seq, int64_t keys) { return at::full({seq, keys}, -kInfinity).triu(keys - seq + 1); }

at::Tensor expected_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                              bool is_causal, double scale) {
  const auto widen = [](const at::Tensor& x) { return x.to(at::kDouble); };
  const int64_t group = q.size(1) / k.size(1);
  at::Tensor scores = widen(q).matmul(widen(k).repeat_interleave(group, 1).transpose(2, 3)).mul(scale);
  if (mask.defined()) scores = scores.add(widen(mask));
  if (is_causal) scores = scores.add(causal_mask(q.size(2), k.size(2)));
  return at::softmax(scores, -1).matmul(widen(v).repeat_interleave(group, 1)).to(q.scalar_type());
}

struct Shape {
  int64_t batch, heads, kv_heads, seq, keys, size;
};
constexpr Shape kShapes[] = {
    {1, 9, 3, 1, 1, 64},   {1, 9, 3, 1, 577, 64},   {2, 6, 6, 1, 65, 16}, {2, 16, 2, 1, 300, 128},
    {1, 4, 2, 1, 33, 17},  {1, 4, 1, 1, 2000, 32},  {1, 9, 3, 3, 3, 64},  {2, 9, 3, 17, 40, 64},
    {1, 4, 4, 65, 65, 24}, {1, 6, 2, 130, 197, 33},
};

class AttentionKernel : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, AttentionKernel, testing::ValuesIn(kShapes));

// The keys and values are views of a larger cache whose other places hold NaN: reading them would show.
at::Tensor cached(const Shape& s, at::ScalarType dtype, uint64_t seed) {
  at::Tensor cache =
      at::full({s.batch, s.kv_heads, s.keys + 7, s.size}, std::nan(""), at::TensorOptions().dtype(dtype));
  cache.narrow(2, 0, s.keys).copy_(random({s.batch, s.kv_heads, s.keys, s.size}, dtype, seed));
  return cache.narrow(2, 0, s.keys);
}

TEST_P(AttentionKernel, EqualsTheComposedForm) {
  const at::NoGradGuard no_grad;
  const Shape s = GetParam();
  with_each_instruction_set([&] {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      SCOPED_TRACE(dtype);
      const at::Tensor q = random({s.batch, s.seq, s.heads, s.size}, dtype).transpose(1, 2);
      const at::Tensor k = cached(s, dtype, 2), v = cached(s, dtype, 3);
      for (const bool is_causal : {false, true}) {
        EXPECT_TRUE(is_close(attention(q, k, v, {}, is_causal, 0.2), expected_attention(q, k, v, {}, is_causal, 0.2),
                             tolerance(dtype)));
        for (const auto& [b, h] : {std::pair<int64_t, int64_t>{1, 1}, {s.batch, s.heads}}) {
          const at::Tensor mask = random({b, h, s.seq, s.keys}, dtype, 4);
          EXPECT_TRUE(is_close(attention(q, k, v, mask, is_causal, 0.2),
                               expected_attention(q, k, v, mask, is_causal, 0.2), tolerance(dtype)));
        }
      }
    }
  });
}

TEST(AttentionKernelMasks, CausalAsATensorEqualsCausalAsAFlag) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    const at::Tensor q = random({2, 6, 150, 64}, at::kFloat), k = random({2, 2, 213, 64}, at::kFloat, 2);
    const at::Tensor mask = causal_mask(150, 213).expand({1, 1, 150, 213});
    EXPECT_TRUE(is_close(attention(q, k, k, mask, false, 0.1), attention(q, k, k, {}, true, 0.1), 1e-6));
  });
}

TEST(AttentionKernelMasks, RowsWithoutAnyKeyAreZero) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    for (const int64_t seq : {1, 5}) {
      const at::Tensor q = random({1, 2, seq, 16}, at::kFloat), k = random({1, 1, 200, 16}, at::kFloat, 2);
      const at::Tensor mask = at::full({1, 1, seq, 200}, -kInfinity);
      EXPECT_EQ(attention(q, k, k, mask, false, 1.0).abs().max().item<float>(), 0);
    }
  });
}

TEST(AttentionKernelMasks, LowestNumberHidesAsMinusInfinityDoes) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      for (const int64_t seq : {1, 5, 70}) {
        const at::Tensor q = random({2, 6, seq, 16}, dtype), k = random({2, 2, 200, 16}, dtype, 2);
        at::Tensor mask = at::zeros({2, 1, seq, 200}, q.options());
        const double lowest = dtype == at::kFloat ? std::numeric_limits<float>::lowest() : -3.3895313892515355e38;
        mask.select(0, 0).narrow(-1, 0, 130).fill_(lowest);
        EXPECT_TRUE(is_close(attention(q, k, k, mask, false, 0.3), expected_attention(q, k, k, mask, false, 0.3),
                             tolerance(dtype)));
      }
    }
  });
}

TEST(AttentionKernelMasks, BooleansAreTrueWhereAKeyIsSeen) {
  const at::NoGradGuard no_grad;
  const at::Tensor q = random({1, 2, 5, 16}, at::kFloat), k = random({1, 1, 9, 16}, at::kFloat, 2);
  const at::Tensor seen = random({1, 1, 5, 9}, at::kFloat, 3).gt(-0.5);
  const at::Tensor additive = at::zeros({1, 1, 5, 9}).masked_fill(seen.logical_not(), -kInfinity);
  for (const bool is_causal : {false, true}) {
    EXPECT_TRUE(is_close(attention(q, k, k, seen, is_causal, 1.0), attention(q, k, k, additive, is_causal, 1.0), 1e-5));
  }
}

TEST(AttentionKernelMasks, PassesOnNanAndLargeScores) {
  const at::NoGradGuard no_grad;
  with_each_instruction_set([] {
    for (const int64_t seq : {1, 5}) {
      at::Tensor q = random({1, 3, seq, 32}, at::kFloat).mul(100);
      const at::Tensor k = random({1, 1, 200, 32}, at::kFloat, 2);
      EXPECT_TRUE(is_close(attention(q, k, k, {}, false, 1.0), expected_attention(q, k, k, {}, false, 1.0), 1e-3));
      q[0][1][0][0] = std::nan("");
      const at::Tensor y = attention(q, k, k, {}, false, 1.0);
      EXPECT_TRUE(y[0][1][0].isnan().all().item<bool>());
      EXPECT_FALSE(y[0][0].isnan().any().item<bool>());
    }
  });
}

TEST(AttentionKernelMasks, KeepsGradients) {
  const at::Tensor q = random({1, 2, 1, 16}, at::kFloat).requires_grad_(), k = random({1, 1, 9, 16}, at::kFloat, 2);
  attention(q, k, k, {}, true, 1.0).sum().backward();
  EXPECT_TRUE(q.grad().defined());
}

}  // namespace
}  // namespace transformers::kernels
