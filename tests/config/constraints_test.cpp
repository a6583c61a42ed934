// What a config refuses when it is read (X07): fields that would make NaN, or a crash, later.
#include "transformers/config/constraints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/config/config.h"

namespace transformers {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct SmallConfig final : PretrainedConfig {
  int64_t vocab_size = 32;
  int64_t hidden_size = 16;
  int64_t num_hidden_layers = 2;
  int64_t num_attention_heads = 4;
  std::optional<int64_t> num_key_value_heads = 2;
  std::optional<int64_t> head_dim = {};
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;
  double attention_dropout = 0.0;
  double hidden_dropout_prob = 0.1;
  std::optional<int64_t> pad_token_id = {};
  std::vector<std::string> layer_types = {};
  Json rope_parameters = {};
  TRANSFORMERS_CONFIG(SmallConfig, "small", vocab_size, hidden_size, num_hidden_layers, num_attention_heads,
                      num_key_value_heads, head_dim, rms_norm_eps, initializer_range, attention_dropout,
                      hidden_dropout_prob, pad_token_id, layer_types, rope_parameters)
  [[nodiscard]] std::span<const Constraint> constraints() const override { return kPaddingConstraints; }

 protected:
  void finish(std::string_view where) override {
    if (!head_dim) head_dim = hidden_size / num_attention_heads;
    standardize_rope(*this, rope_parameters, 10000.0, 64, where);
  }
};

// The message of the ValueError that reading `text` throws; empty when it throws none.
std::string refusal(std::string_view text) {
  try {
    SmallConfig().update(Json::parse(text), "m/config.json");
  } catch (const ValueError& error) {
    return error.what();
  }
  return {};
}

TEST(Constraints, RefuseFieldsNamingFileFieldValueAndWhatIsAllowed) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {R"({"rms_norm_eps": -1.0})", "'rms_norm_eps' is -1.0", "at least 0"},
      {R"({"rms_norm_eps": {"__float__": "NaN"}})", "'rms_norm_eps' is NaN", "at least 0"},
      {R"({"rms_norm_eps": {"__float__": "Infinity"}})", "'rms_norm_eps' is Infinity", "at least 0"},
      {R"({"initializer_range": -0.5})", "'initializer_range' is -0.5", "at least 0"},
      {R"({"attention_dropout": 1.5})", "'attention_dropout' is 1.5", "from 0 to 1"},
      {R"({"hidden_dropout_prob": -0.1})", "'hidden_dropout_prob' is -0.1", "from 0 to 1"},
      {R"({"vocab_size": 0})", "'vocab_size' is 0", "from 1 to 2147483647"},
      {R"({"hidden_size": -16})", "'hidden_size'", "from 0 to 2147483647"},
      {R"({"num_hidden_layers": 10001})", "'num_hidden_layers' is 10001", "from 0 to 10000"},
      {R"({"num_attention_heads": 3, "num_key_value_heads": 3})", "'hidden_size' is 16",
       "a multiple of 'num_attention_heads', which is 3"},
      {R"({"num_attention_heads": 0})", "'num_attention_heads' is 0", "from 1"},
      {R"({"num_key_value_heads": 3})", "'num_attention_heads' is 4",
       "a multiple of 'num_key_value_heads', which is 3"},
      {R"({"pad_token_id": 32})", "'pad_token_id' is 32", "below 'vocab_size', which is 32"},
      {R"({"pad_token_id": -33})", "'pad_token_id' is -33", "'vocab_size'"},
      {R"({"layer_types": ["full_attention"]})", "'layer_types' has 1 entries", "each of the 2 layers"},
      {R"({"layer_types": ["full_attention", "linear"]})", "'layer_types' has the entry 'linear'",
       "'full_attention' or 'sliding_attention'"},
  };
  for (const auto& [text, field, allowed] : cases)
    EXPECT_THAT(refusal(text), AllOf(HasSubstr("m/config.json: "), HasSubstr(field), HasSubstr(allowed))) << text;
}

TEST(Constraints, AllowWhatTheReferenceComputesWith) {
  for (const auto* text : {"{}", R"({"pad_token_id": -1})", R"({"pad_token_id": 31})", R"({"rms_norm_eps": 0.0})",
                           R"({"num_hidden_layers": 0})", R"({"attention_dropout": 1.0})",
                           R"({"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8})",
                           R"({"layer_types": ["sliding_attention", "full_attention"]})"})
    EXPECT_THAT(refusal(text), IsEmpty()) << text;
}

TEST(Constraints, AreCheckedAgainAfterFieldsWereSetByHand) {
  SmallConfig config;
  config.num_attention_heads = 0;
  EXPECT_THROW(config.resolve(), ValueError);
}

TEST(Rope, RefusesParametersThatMakeNaN) {
  const auto with = [](const char* members) { return str(R"({"rope_parameters": {)", members, "}}"); };
  const std::pair<const char*, const char*> cases[] = {
      {R"("rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 4.0)",
       "4.0 for 'high_freq_factor', expected more than 'low_freq_factor', which is 4.0"},
      {R"("rope_type": "llama3", "factor": 0.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0)", "0.0 for 'factor'"},
      {R"("rope_type": "linear", "factor": -1.0)", "-1.0 for 'factor', expected a positive number"},
      {R"("rope_type": "linear", "factor": null)", "'factor', found a null"},
      {R"("rope_type": "dynamic", "factor": 0)", "0 for 'factor'"},
      {R"("rope_type": "yarn", "factor": 0.0)", "0.0 for 'factor'"},
      {R"("rope_type": "yarn", "factor": 2.0, "beta_fast": -1)", "-1 for 'beta_fast'"},
      {R"("rope_type": "yarn", "factor": 2.0, "mscale": -1)", "-1 for 'mscale', expected a number of at least 0"},
      {R"("rope_type": "yarn", "factor": 2.0, "rope_theta": 1.0)", "1.0 for 'rope_theta', expected more than 1"},
      {R"("rope_type": "longrope", "short_factor": [1.0, 1.0])", "needs the list 'long_factor'"},
      {R"("rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0, 1.0])",
       "short_factor has 1 numbers, expected 2"},
      {R"("rope_type": "longrope", "short_factor": [1.0, 0.0], "long_factor": [1.0, 1.0])", "short_factor holds 0.0"},
      {R"("rope_type": "longrope", "short_factor": [1.0, "a"], "long_factor": [1.0, 1.0])", "short_factor holds \"a\""},
      {R"("rope_type": "longrope", "short_factor": [1, 1], "long_factor": [1, 1], "original_max_position_embeddings": 1)",
       "1 for 'original_max_position_embeddings', expected more than 1"},
      {R"("rope_type": "spiral")", "unknown rope_type 'spiral'; known are default, linear"},
      {R"("rope_theta": 0)", "0 for 'rope_theta'"},
  };
  for (const auto& [members, message] : cases)
    EXPECT_THAT(refusal(with(members)), AllOf(HasSubstr("m/config.json: "), HasSubstr(message))) << members;
  EXPECT_THAT(refusal(with(R"("rope_type": "yarn", "factor": 2.0, "mscale": 0, "mscale_all_dim": 0)")), IsEmpty());
}

TEST(Labels, RefuseWhatIsNoMapFromNumbers) {
  EXPECT_THAT(refusal(R"({"id2label": ["a", "b"]})"), HasSubstr("m/config.json: 'id2label' is a list"));
  EXPECT_THAT(refusal(R"({"id2label": {"a": "x"}})"), HasSubstr("the key 'a' of 'id2label' is not a number"));
  EXPECT_THAT(refusal(R"({"id2label": {"1 ": "x"}})"), HasSubstr("is not a number"));
}

TEST(Labels, ThatDisagreeAreReadFromId2labelWithAWarning) {
  const logging::Capture log;
  SmallConfig config;
  config.update(Json::parse(R"({"id2label": {"0": "x", "1": "y"}, "label2id": {"x": 1, "y": 0}})"), "config.json");
  EXPECT_EQ(config.id2label.at(0), "x");
  ASSERT_EQ(log.records().size(), 1u);
  EXPECT_THAT(log.records()[0].text, HasSubstr("'label2id' gives 'x' the number 1, 'id2label' gives it 0"));
}

TEST(Labels, WithOneNameForTwoNumbersAreNoDisagreement) {
  const logging::Capture log;
  SmallConfig config;
  config.update(Json::parse(R"({"id2label": {"0": "x", "1": "x"}, "label2id": {"x": 1}})"), "config.json");
  EXPECT_EQ(config.num_labels(), 2);
  EXPECT_TRUE(log.records().empty());
}

TEST(Config, OverridesKnownFieldsAndReturnsTheOthers) {  // X07
  SmallConfig config;
  const auto rest = config.override_with(Json::parse(R"({"hidden_size": 32, "num_labels": 3, "other": 1})"));
  EXPECT_EQ(config.hidden_size, 32);
  EXPECT_EQ(config.num_labels(), 3);
  EXPECT_EQ(rest, Json::parse(R"({"other": 1})"));
  EXPECT_EQ(&config.get_text_config(), &config);
}

}  // namespace
}  // namespace transformers
