#include "transformers/mapping/load_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transformers/base/error.h"

namespace transformers {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Shape = std::vector<int64_t>;

std::vector<CheckpointEntry> entries(const std::vector<std::pair<std::string, Shape>>& rows) {
  std::vector<CheckpointEntry> out;
  for (const auto& [name, shape] : rows) out.push_back({.name = name, .shape = shape});
  return out;
}

std::vector<std::string> names(const LoadPlan& plan) {
  std::vector<std::string> out;
  for (const auto& tensor : plan.tensors) out.push_back(tensor.name);
  return out;
}

TEST(LoadPlan, PairsEqualNamesAndReportsTheRest) {
  const std::vector<ModelTensor> model = {{"a", {2}}, {"b", {3}}, {"c", {4}}};
  const auto file = entries({{"a", {2}}, {"b", {5}}, {"z", {1}}});
  const auto plan = plan_load({.model = model, .entries = file});
  EXPECT_THAT(names(plan), ElementsAre("a"));
  EXPECT_EQ(plan.tensors[0].entry, &file[0]);
  EXPECT_THAT(plan.missing, ElementsAre("c"));
  EXPECT_THAT(plan.unexpected, ElementsAre("z"));
  ASSERT_EQ(plan.mismatched.size(), 1U);
  EXPECT_EQ(plan.mismatched[0].name, "b");
  EXPECT_EQ(plan.mismatched[0].checkpoint_shape, Shape({5}));
  EXPECT_EQ(plan.mismatched[0].model_shape, Shape({3}));
}

TEST(LoadPlan, AddsAndRemovesTheBaseModelsPrefix) {
  const std::vector<ModelTensor> head = {{"bert.x", {1}}, {"classifier.y", {1}}};
  const auto bare = entries({{"x", {1}}});
  EXPECT_THAT(names(plan_load({.model = head, .entries = bare, .base_model_prefix = "bert"})), ElementsAre("bert.x"));
  const std::vector<ModelTensor> base = {{"x", {1}}};
  const auto prefixed = entries({{"bert.x", {1}}, {"cls.y", {1}}});
  const auto plan = plan_load({.model = base, .entries = prefixed, .base_model_prefix = "bert"});
  EXPECT_THAT(names(plan), ElementsAre("x"));
  EXPECT_THAT(plan.unexpected, ElementsAre("cls.y"));
}

TEST(LoadPlan, KnowsTheOldNamesOfNorms) {
  const std::vector<ModelTensor> model = {{"bert.LayerNorm.weight", {1}}, {"bert.LayerNorm.bias", {1}}};
  const auto file = entries({{"LayerNorm.gamma", {1}}, {"bert.LayerNorm.beta", {1}}});
  const auto plan = plan_load({.model = model, .entries = file, .base_model_prefix = "bert"});
  EXPECT_THAT(names(plan), ElementsAre("bert.LayerNorm.bias", "bert.LayerNorm.weight"));
  EXPECT_THAT(plan.unexpected, IsEmpty());
}

TEST(LoadPlan, CarriesTheOpOfTheFirstRuleThatLeadsIntoTheModel) {
  static constexpr KeyRule kRules[] = {{"up.*", "wi_1.*"},
                                       {"up.*", "wi.*", Op::Transpose},
                                       {"wq.*", "model.q.*", Op::PermuteRope, "num_attention_heads"}};
  const std::vector<ModelTensor> model = {{"wi.0", {2, 3}}, {"model.q.0", {4, 4}}};
  const auto file = entries({{"up.0", {3, 2}}, {"wq.0", {4, 4}}});
  Json config = Json::object();
  config["num_attention_heads"] = 2;
  const auto plan =
      plan_load({.model = model, .entries = file, .config = config, .base_model_prefix = "model", .rules = {kRules}});
  ASSERT_THAT(names(plan), ElementsAre("model.q.0", "wi.0"));
  EXPECT_EQ(plan.tensors[0].op, Op::PermuteRope);
  EXPECT_EQ(plan.tensors[0].heads, 2);
  EXPECT_EQ(plan.tensors[1].op, Op::Transpose);
  EXPECT_THAT(plan.mismatched, IsEmpty()) << "shapes are compared after the op";
}

TEST(LoadPlan, TriesTheRulesWithoutTheBaseModelsPrefixToo) {
  static constexpr KeyRule kRules[] = {{"old.*", "new.*"}};
  const std::vector<ModelTensor> model = {{"vit.new.0", {1}}};
  const auto file = entries({{"vit.old.0", {1}}});
  EXPECT_THAT(names(plan_load({.model = model, .entries = file, .base_model_prefix = "vit", .rules = {kRules}})),
              ElementsAre("vit.new.0"));
}

TEST(LoadPlan, LeavesIgnoredKeysOutOfTheReport) {
  const auto file = entries({{"rope_freqs.weight", {4}}, {"layers.0.inv_freq", {4}}, {"real", {1}}});
  const auto plan = plan_load({.entries = file, .ignore_unexpected = {"rope_freqs.weight", "layers.*.inv_freq"}});
  EXPECT_THAT(plan.unexpected, ElementsAre("real"));
}

TEST(LoadPlan, RefusesTwoKeysForOneTensor) {
  const std::vector<ModelTensor> model = {{"bert.x", {1}}};
  const auto file = entries({{"x", {1}}, {"bert.x", {1}}});
  try {
    static_cast<void>(plan_load({.model = model, .entries = file, .base_model_prefix = "bert"}));
    FAIL() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'x' and 'bert.x'"));
  }
}

TEST(LoadPlan, OrdersTensorsAsPeopleCount) {
  const std::vector<ModelTensor> model = {{"l.10", {1}}, {"l.2", {1}}, {"l.1", {1}}};
  const auto file = entries({{"l.10", {1}}, {"l.1", {1}}, {"l.2", {1}}});
  EXPECT_THAT(names(plan_load({.model = model, .entries = file})), ElementsAre("l.1", "l.2", "l.10"));
}

// P63
TEST(LoadPlan, ReadsBothNamesOfAWeightNormedLayer) {
  const std::vector<ModelTensor> modern = {{"c.parametrizations.weight.original0", {2}},
                                           {"c.parametrizations.weight.original1", {3}}};
  const std::vector<ModelTensor> old = {{"c.weight_g", {2}}, {"c.weight_v", {3}}};
  const auto old_file = entries({{"c.weight_g", {2}}, {"c.weight_v", {3}}});
  const auto modern_file = entries({{modern[0].name, {2}}, {modern[1].name, {3}}});
  EXPECT_EQ(plan_load({.model = modern, .entries = old_file}).tensors.size(), 2);
  EXPECT_EQ(plan_load({.model = old, .entries = modern_file}).tensors.size(), 2);
  EXPECT_EQ(plan_load({.model = old, .entries = old_file}).tensors.size(), 2);
}

TEST(LoadPlan, KnowsWhatTheFileCallsWhatItRenames) {  // P53
  static constexpr KeyRule kRules[] = {{"encoder.*.up", "layers.*.fc1"}};
  const std::vector<ModelTensor> head = {{"vit.layers.0.fc1", {1}}, {"vit.LayerNorm.weight", {1}}, {"vit.x", {1}}};
  const auto originals = [&](const std::vector<ModelTensor>& model, const std::vector<CheckpointEntry>& file) {
    std::vector<std::string> out;
    for (const auto& tensor :
         plan_load({.model = model, .entries = file, .base_model_prefix = "vit", .rules = {kRules}}).tensors)
      out.push_back(tensor.original);
    return out;
  };
  // Natural order of the model's names; what only the prefix tells apart is not renamed.
  const auto prefixed = entries({{"vit.encoder.0.up", {1}}, {"vit.LayerNorm.gamma", {1}}, {"vit.x", {1}}});
  EXPECT_THAT(originals(head, prefixed), ElementsAre("vit.LayerNorm.gamma", "vit.encoder.0.up", ""));
  const auto bare = entries({{"encoder.0.up", {1}}, {"LayerNorm.gamma", {1}}, {"x", {1}}});
  EXPECT_THAT(originals(head, bare), ElementsAre("vit.LayerNorm.gamma", "vit.encoder.0.up", ""));
  const std::vector<ModelTensor> body = {{"layers.0.fc1", {1}}, {"LayerNorm.weight", {1}}, {"x", {1}}};
  EXPECT_THAT(originals(body, prefixed), ElementsAre("LayerNorm.gamma", "encoder.0.up", ""));
  // A key of another layout may look like one that only lacks the prefix; its neighbours tell them apart.
  static constexpr KeyRule kMeta[] = {{"norm", "model.norm"}, {"layers.*.wq", "model.layers.*.q"}};
  const std::vector<ModelTensor> llama = {{"model.norm", {1}}, {"model.layers.0.q", {1}}};
  const auto norm_of = [&](const std::vector<CheckpointEntry>& file) {
    return plan_load({.model = llama, .entries = file, .base_model_prefix = "model", .rules = {kMeta}})
        .tensors.back()
        .original;
  };
  EXPECT_EQ(norm_of(entries({{"norm", {1}}, {"layers.0.wq", {1}}})), "norm");
  EXPECT_EQ(norm_of(entries({{"norm", {1}}, {"layers.0.q", {1}}})), "");
}

}  // namespace
}  // namespace transformers
