#include "transformers/nn/masks.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "transformers/base/error.h"

namespace transformers::nn {
namespace {

using ::testing::HasSubstr;
using Rows = std::vector<std::string>;

/// One row per query of one sequence: x for a key that is seen, . for a masked one, ? for any other value.
Rows picture(const at::Tensor& additive, int64_t batch = 0) {
  Rows rows;
  const auto mask = additive.to(at::kDouble)[batch][0];
  const double lowest = additive.scalar_type() == at::kHalf ? -65504.0 : std::numeric_limits<float>::lowest();
  for (int64_t i = 0; i < mask.size(0); ++i) {
    rows.emplace_back();
    for (int64_t j = 0; j < mask.size(1); ++j) {
      const double value = mask[i][j].item<double>();
      rows.back() += value == 0 ? 'x' : value == lowest ? '.' : '?';
    }
  }
  return rows;
}

CausalMaskOptions after(int64_t past, int64_t queries) {
  return {.queries = queries, .past = past, .keys = {.keys = past + queries, .first = 0}};
}

std::string refusal(const at::Tensor& mask, const CausalMaskOptions& options) {
  try {
    static_cast<void>(causal_mask(mask, options));
  } catch (const ValueError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(CausalMask, HidesLaterTokens) {  // M07
  EXPECT_EQ(picture(causal_mask({}, after(0, 3)).additive), (Rows{"x..", "xx.", "xxx"}));
  EXPECT_EQ(picture(causal_mask({}, after(2, 2)).additive), (Rows{"xxx.", "xxxx"}));
}

TEST(CausalMask, IsLeftOutWhereTheAttentionFunctionNeedsNone) {  // A04
  auto options = after(2, 3);
  options.may_skip = true;
  const auto several = causal_mask({}, options);
  EXPECT_FALSE(several.additive.defined());
  EXPECT_TRUE(several.is_causal);
  EXPECT_TRUE(causal_mask(at::ones({1, 5}, at::kLong), options).is_causal) << "nothing is padded";
  const auto one = causal_mask({}, after(4, 1));
  EXPECT_FALSE(one.additive.defined());
  EXPECT_FALSE(one.is_causal);
}

TEST(CausalMask, HidesPaddingOnTheLeft) {
  auto options = after(0, 3);
  options.may_skip = true;
  const auto mask = at::tensor({0, 0, 1, 1, 1, 1}, at::kLong).view({2, 3});
  const auto result = causal_mask(mask, options);
  EXPECT_FALSE(result.is_causal);
  EXPECT_EQ(picture(result.additive, 0), (Rows{"...", "...", "..x"}));
  EXPECT_EQ(picture(result.additive, 1), (Rows{"x..", "xx.", "xxx"}));
  EXPECT_FALSE(at::softmax(result.additive, -1).isnan().any().item<bool>()) << "rows without a key";  // M06
  EXPECT_EQ(picture(causal_mask(mask, after(2, 1)).additive, 0), (Rows{"..x"}));
}

TEST(CausalMask, HidesWhatLiesBeforeTheWindow) {
  auto options = after(0, 5);
  options.window = 2;
  options.may_skip = true;
  EXPECT_EQ(picture(causal_mask({}, options).additive), (Rows{"x....", "xx...", ".xx..", "..xx.", "...xx"}));
  options.window = 5;
  EXPECT_TRUE(causal_mask({}, options).is_causal) << "a window as long as the text hides nothing";
}

TEST(CausalMask, CountsFromTheFirstKeyThatASlidingCacheShows) {
  // Ten tokens before, of which a window of 4 kept three.
  CausalMaskOptions options{.queries = 2, .past = 10, .keys = {.keys = 5, .first = 7}, .window = 4};
  EXPECT_EQ(picture(causal_mask({}, options).additive), (Rows{"xxxx.", ".xxxx"}));
  auto padded = at::ones({1, 12}, at::kLong);
  padded[0].narrow(0, 0, 9).fill_(0);
  EXPECT_EQ(picture(causal_mask(padded, options).additive), (Rows{"..xx.", "..xxx"}));
  options.queries = 1;
  options.keys.keys = 4;
  EXPECT_FALSE(causal_mask({}, options).additive.defined()) << "one token sees all that was kept";
}

TEST(CausalMask, HidesPositionsOfAStaticCacheThatAreNotFilled) {
  CausalMaskOptions options{.queries = 1, .past = 2, .keys = {.keys = 6, .first = 0}, .may_skip = true};
  EXPECT_EQ(picture(causal_mask({}, options).additive), (Rows{"xxx..."}));
  EXPECT_EQ(picture(causal_mask(at::tensor({0, 1, 1}, at::kLong).view({1, 3}), options).additive), (Rows{".xx..."}));
}

TEST(CausalMask, HasTheTypeThatWasAskedFor) {  // M06
  auto options = after(0, 2);
  options.dtype = at::kHalf;
  const auto mask = causal_mask({}, options).additive;
  EXPECT_EQ(mask.scalar_type(), at::kHalf);
  EXPECT_EQ(picture(mask), (Rows{"x.", "xx"}));
}

TEST(CausalMask, TakesAnAdditiveMaskAsItIs) {
  const auto mask = at::full({1, 1, 2, 2}, -3.0, at::kDouble);
  EXPECT_TRUE(causal_mask(mask, after(0, 2)).additive.equal(mask.to(at::kFloat)));
}

TEST(CausalMask, RefusesOtherShapes) {  // M08, V05
  const auto zeros = [](at::IntArrayRef shape) { return at::full(shape, 0, at::kLong); };
  EXPECT_THAT(refusal(zeros({3}), after(0, 3)), HasSubstr("[3]"));
  EXPECT_THAT(refusal(zeros({1, 3, 3}), after(0, 3)), HasSubstr("[1, 3, 3]"));
  EXPECT_THAT(refusal(zeros({1, 2}), after(2, 2)), HasSubstr("covers 2 tokens, the past and the new ones are 4"));
}

TEST(ExpandMask, AddsTheDimensionsOfHeadsAndQueries) {  // M06
  const auto mask = at::tensor({1, 0, 1, 1, 1, 0}, at::kLong).view({2, 3});
  const auto expanded = expand_mask(mask, at::kFloat);
  EXPECT_EQ(expanded.sizes(), (std::vector<int64_t>{2, 1, 1, 3}));
  EXPECT_EQ(picture(expanded, 0), (Rows{"x.x"}));
  EXPECT_EQ(picture(expanded, 1), (Rows{"xx."}));
  EXPECT_EQ(picture(expand_mask(mask.view({1, 2, 3}), at::kHalf)), (Rows{"x.x", "xx."}));
  EXPECT_FALSE(expand_mask({}, at::kFloat).defined());
  EXPECT_THROW(static_cast<void>(expand_mask(mask.view({6}), at::kFloat)), ValueError);  // V05
  EXPECT_THROW(static_cast<void>(expand_mask(mask.view({1, 1, 1, 2, 3}), at::kFloat)), ValueError);
}

TEST(BidirectionalMask, IsLeftOutWhenNothingIsPadded) {
  EXPECT_FALSE(bidirectional_mask(at::ones({2, 3}, at::kLong), at::kFloat).defined());
  EXPECT_TRUE(bidirectional_mask(at::tensor({1, 0}, at::kLong).view({1, 2}), at::kFloat).defined());
}

}  // namespace
}  // namespace transformers::nn
