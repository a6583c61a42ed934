#include "transformers/nn/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transformers/base/error.h"
#include "transformers/nn/masks.h"

namespace transformers::nn {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

struct Case {
  int64_t heads, kv_heads, queries, keys;
};

// The last: one token after others, the shape of generation.
const Case kCases[] = {{4, 4, 5, 5}, {6, 2, 5, 5}, {8, 1, 3, 9}, {6, 3, 20, 37}, {4, 2, 1, 11}};

void expect_same(const Case& c, const at::Tensor& mask, bool is_causal) {
  const auto q = at::randn({2, c.heads, c.queries, 16});
  const auto k = at::randn({2, c.kv_heads, c.keys, 16}), v = at::randn({2, c.kv_heads, c.keys, 16});
  const AttentionOptions options{.scale = 0.25, .is_causal = is_causal};
  const AttentionInterface functions;
  const auto eager = functions.get_interface("eager")(q, k, v, mask, options);
  const auto sdpa = functions.get_interface("sdpa")(q, k, v, mask, options);
  EXPECT_TRUE(eager.hidden.allclose(sdpa.hidden, 1e-4, 1e-5))
      << c.heads << "/" << c.kv_heads << " heads, " << c.queries << " queries, " << c.keys << " keys: off by "
      << (eager.hidden - sdpa.hidden).abs().max().item<double>();
  EXPECT_EQ(eager.hidden.sizes(), q.sizes());
  EXPECT_EQ(eager.weights.sizes(), (std::vector<int64_t>{2, c.heads, c.queries, c.keys}));
  EXPECT_TRUE(eager.weights.sum(-1).allclose(at::ones({2, c.heads, c.queries})));
}

TEST(Attention, IsTheSameInBothImplementationsWithoutAMask) {  // A03, A04
  for (const auto& c : kCases) expect_same(c, {}, false);
}

TEST(Attention, IsTheSameInBothImplementationsWhenItIsCausal) {  // A04: the keys before the queries are all seen
  for (const auto& c : kCases) expect_same(c, {}, true);
}

TEST(Attention, IsTheSameInBothImplementationsUnderAMask) {  // A04
  for (const auto& c : kCases) {
    expect_same(c, at::randn({2, 1, c.queries, c.keys}), false);
    expect_same(c, at::randn({1, c.heads, c.queries, c.keys}), false);
    auto present = at::ones({2, c.keys}, at::kLong);
    present[1].narrow(0, 0, 1).fill_(0);
    const CausalMaskOptions options{.queries = c.queries, .past = c.keys - c.queries, .keys = {.keys = c.keys}};
    const auto mask = causal_mask(present, options).additive;
    ASSERT_TRUE(mask.defined());
    expect_same(c, mask, false);
  }
}

TEST(Attention, SeesNoKeyAfterTheQueryWhenItIsCausal) {  // A04
  const auto q = at::randn({1, 2, 4, 8}), k = at::randn({1, 1, 7, 8}), v = at::randn({1, 1, 7, 8});
  const auto later = at::full({1, 1, 1, 8}, 100.0);
  const auto changed_k = at::cat({k.narrow(2, 0, 6), later}, 2), changed_v = at::cat({v.narrow(2, 0, 6), later}, 2);
  for (const char* name : {"eager", "sdpa"}) {
    const auto attend = AttentionInterface().get_interface(name);
    const auto plain = attend(q, k, v, {}, {.is_causal = true}).hidden;
    const auto changed = attend(q, changed_k, changed_v, {}, {.is_causal = true}).hidden;
    EXPECT_TRUE(plain.narrow(2, 0, 3).allclose(changed.narrow(2, 0, 3))) << name;
    EXPECT_FALSE(plain.narrow(2, 3, 1).allclose(changed.narrow(2, 3, 1))) << name;
  }
}

AttentionResult zero(const at::Tensor& q, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                     const AttentionOptions&) {
  return {.hidden = q * 0};
}
AttentionResult same(const at::Tensor& q, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                     const AttentionOptions&) {
  return {.hidden = q};
}

TEST(AttentionInterface, KnowsItsOwnFunctionsAndThoseOfUsers) {  // A08
  const AttentionInterface functions;
  EXPECT_THAT(functions.valid_keys(), AllOf(Contains("eager"), Contains("sdpa")));
  AttentionInterface::register_("attention_test_own", zero);
  EXPECT_EQ(functions.get_interface("attention_test_own"), &zero);
  AttentionInterface::register_("attention_test_own", same);
  EXPECT_EQ(functions.get_interface("attention_test_own"), &same);
  EXPECT_THAT(functions.valid_keys(), Contains("attention_test_own").Times(1));
}

TEST(AttentionInterface, NamesTheKnownFunctionsWhenOneIsUnknown) {  // A08
  try {
    static_cast<void>(AttentionInterface().get_interface("flash_attention_9"));
    ADD_FAILURE() << "no error";
  } catch (const KeyError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("flash_attention_9"), HasSubstr("eager"), HasSubstr("sdpa")));
  }
}

}  // namespace
}  // namespace transformers::nn
