#include "transformers/mapping/key_match.h"

#include <gtest/gtest.h>

namespace transformers {
namespace {

TEST(KeyMatch, AStarIsExactlyOneSegment) {
  EXPECT_TRUE(key_matches("layers.*.weight", "layers.12.weight"));
  EXPECT_FALSE(key_matches("layers.*.weight", "layers.1.2.weight"));
  EXPECT_FALSE(key_matches("layers.*.weight", "layers..weight"));
  EXPECT_FALSE(key_matches("layers.*.weight", "layers.weight"));
}

TEST(KeyMatch, APatternCoversTheWholeKey) {
  EXPECT_TRUE(key_matches("norm.weight", "norm.weight"));
  EXPECT_FALSE(key_matches("norm.weight", "attn_norm.weight"));
  EXPECT_FALSE(key_matches("norm.weight", "norm.weight.extra"));
  EXPECT_FALSE(key_matches("norm.weight", "model.norm.weight"));
  EXPECT_FALSE(key_matches("norm", ""));
}

TEST(KeyMatch, TwoStarsAreAnyTailOrHead) {
  EXPECT_TRUE(key_matches("decoder.**", "decoder.block.0.weight"));
  EXPECT_FALSE(key_matches("decoder.**", "encoder.block.0.weight"));
  EXPECT_TRUE(key_matches("**.bias", "a.b.bias"));
  EXPECT_FALSE(key_matches("**.bias", "a.b.weight"));
  EXPECT_TRUE(key_matches("**", "anything.at.all"));
  EXPECT_FALSE(key_matches("**.a.**", "b.a.c")) << "stars at both ends are not in the language";
}

TEST(KeyMatch, ARuleRewritesWhatTheStarsStandFor) {
  const KeyRule rule{"blk.*.attn_q.*", "model.layers.*.self_attn.q_proj.*"};
  EXPECT_EQ(apply_rule(rule, "blk.7.attn_q.weight"), "model.layers.7.self_attn.q_proj.weight");
  EXPECT_EQ(apply_rule(rule, "blk.7.attn_k.weight"), std::nullopt);
  const KeyRule tail{"old.**", "new.**"};
  EXPECT_EQ(apply_rule(tail, "old.a.b.c"), "new.a.b.c");
}

TEST(KeyMatch, TheInverseOfARuleLeadsBack) {
  const KeyRule rules[] = {{"blk.*.a", "model.*.b.c"}, {"x.**", "**"}, {"plain", "other.name"}};
  const char* keys[] = {"blk.3.a", "x.y.z", "plain"};
  for (size_t i = 0; i < std::size(rules); ++i) {
    const auto there = apply_rule(rules[i], keys[i]);
    ASSERT_TRUE(there) << keys[i];
    EXPECT_NE(*there, keys[i]);
    EXPECT_EQ(invert_rule(rules[i], *there), keys[i]);
  }
}

}  // namespace
}  // namespace transformers
