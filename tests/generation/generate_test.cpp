#include "transformers/generation/generate.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <variant>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/config/unsupported_generation.h"
#include "transformers/generation/logits_processors.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;
using testing::ids;
using testing::with;

std::string error_of(PreTrainedModel& model, const ModelInputs& inputs, const GenerateOptions& options) {
  try {
    (void)model.generate(inputs, options);
  } catch (const ValueError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no ValueError was thrown";
  return {};
}

class GPT2Generate : public ::testing::Test {
 protected:
  at::Tensor run(const ModelInputs& inputs, std::string_view kwargs) {
    return model->generate(inputs, with(kwargs)).sequences;
  }
  logging::Capture quiet;
  std::shared_ptr<PreTrainedModel> model = testing::tiny_gpt2();
  ModelInputs prompt{.input_ids = ids({{3, 4, 5, 6}})};
};

// X01
TEST_F(GPT2Generate, NamesWhatIsWrongWithTheInputs) {
  const auto options = with(R"({"max_new_tokens": 2})");
  EXPECT_THAT(error_of(*model, {.input_ids = at::full({1, 0}, 3, at::kLong)}, options), HasSubstr("empty"));
  EXPECT_THAT(error_of(*model, {.input_ids = ids({{3, 9999}})}, options), HasSubstr("9999"));
  EXPECT_THAT(error_of(*model, {.input_ids = ids({{3, -1}})}, options), HasSubstr("-1"));
  EXPECT_THAT(error_of(*model, {.input_ids = ids({{3, 4}})[0]}, options), HasSubstr("[2]"));
  EXPECT_THAT(error_of(*model, {.input_ids = ids({{3, 4}}).to(at::kFloat)}, options), HasSubstr("int64"));
  EXPECT_THAT(error_of(*model, {.input_ids = ids({{3, 4}}), .attention_mask = ids({{1, 1, 1}})}, options),
              HasSubstr("attention_mask has shape [1, 3]"));
  EXPECT_THAT(error_of(*model, {.input_ids = ids({{3, 4}}), .attention_mask = ids({{1}})[0]}, options),
              HasSubstr("attention_mask"));
}

// X01
TEST_F(GPT2Generate, NamesWhatIsWrongWithTheOptions) {
  for (const auto* bad :
       {R"({"max_new_tokens": 0})", R"({"max_new_tokens": -2})", R"({"max_length": 4})",
        R"({"max_new_tokens": 2, "do_sample": true, "temperature": 0.0})",
        R"({"max_new_tokens": 2, "do_sample": true, "top_p": 1.5})",
        R"({"max_new_tokens": 2, "do_sample": true, "top_k": -1})",
        R"({"max_new_tokens": 2, "num_return_sequences": 2})",
        R"({"max_new_tokens": 2, "pad_token_id": 9999, "eos_token_id": 1})",
        R"({"max_new_tokens": 2, "stop_strings": ["a"]})", R"({"max_new_tokens": 2, "bad_words_ids": [[]]})",
        R"({"max_new_tokens": 2, "repetition_penalty": 0.0})"})
    EXPECT_FALSE(error_of(*model, prompt, with(bad)).empty()) << bad;
  EXPECT_THAT(error_of(*model, prompt, with(R"({"max_new_token": 2})")), HasSubstr("max_new_tokens"));
}

// X01: nothing that is asked for is passed over in silence
TEST_F(GPT2Generate, RefusesWhatItDoesNotDo) {
  for (const auto* unsupported :
       {R"({"num_beams": 2})", R"({"guidance_scale": 1.5})", R"({"prompt_lookup_num_tokens": 2})",
        R"({"penalty_alpha": 0.6})", R"({"cache_implementation": "quantized"})", R"({"watermarking_config": {}})",
        R"({"force_words_ids": [[3]]})"})
    EXPECT_THROW((void)model->generate(prompt, with(unsupported)), NotImplementedError) << unsupported;
  EXPECT_NO_THROW(
      (void)run(prompt, R"({"max_new_tokens": 1, "num_beams": 1, "guidance_scale": 1.0, "num_beam_groups": 1})"));
}

// X01: the table of what is missing, each field at a value that asks for something
TEST_F(GPT2Generate, RefusesEveryFieldOfTheTable) {
  GenerationConfig all;
  for (const auto& row : kUnsupportedFields) {
    const auto fields = all.fields();
    const auto field = std::ranges::find(fields, row.name, &ConfigField::name);
    ASSERT_NE(field, fields.end()) << row.name;
    struct Visitor {
      Json operator()(std::optional<bool>*) const { return true; }
      Json operator()(std::optional<int64_t>*) const { return 7; }
      Json operator()(std::optional<double>*) const { return 0.3; }
      Json operator()(std::optional<std::string>*) const { return "something"; }
      Json operator()(void*) const { return Json::parse(R"({"a": 1})"); }
    };
    const Json::Object kwargs{{"max_new_tokens", 2}, {std::string(row.name), std::visit(Visitor(), field->target)}};
    EXPECT_THROW((void)model->generate(prompt, {.kwargs = kwargs}), NotImplementedError) << row.name;
  }
}

// X01
TEST_F(GPT2Generate, RefusesNumbersThatMakeNoSense) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
  const std::pair<const char*, std::vector<double>> cases[] = {{"temperature", {0, -1, kNan, kInf}},
                                                               {"top_p", {-0.1, 1.1, kNan}},
                                                               {"min_p", {-1, 2, kNan}},
                                                               {"top_h", {0, 2, kNan}},
                                                               {"typical_p", {0, 1.5, kNan}},
                                                               {"epsilon_cutoff", {-1, 1, kNan}},
                                                               {"eta_cutoff", {-1, 1, kNan}},
                                                               {"repetition_penalty", {0, kNan}},
                                                               {"max_time", {-1, kNan, kInf}}};
  for (const auto& [field, values] : cases)
    for (const double value : values) {
      const Json::Object kwargs{{"max_new_tokens", 2}, {"do_sample", true}, {field, value}};
      EXPECT_THAT(error_of(*model, prompt, {.kwargs = kwargs}), HasSubstr(std::string(field) + " is ")) << value;
    }
  // As in the reference, what only sampling reads is not looked at without it.
  EXPECT_NO_THROW((void)run(prompt, R"({"max_new_tokens": 1, "temperature": 0.0})"));
}

// X01
TEST_F(GPT2Generate, SaysNothingWhereNoTokenIsLeft) {
  Json all = Json::list();
  for (int64_t id = 0; id < model->config->get("vocab_size").as_int(); ++id) all.push_back(id);
  EXPECT_THAT(error_of(*model, prompt, {.kwargs = Json::Object{{"max_new_tokens", 2}, {"suppress_tokens", all}}}),
              HasSubstr("every token excluded"));
  EXPECT_THAT(error_of(*model, prompt, with(R"({"max_new_tokens": 2, "forced_eos_token_id": 100000})")),
              HasSubstr("forced_eos_token_id is 100000"));
  const at::NoGradGuard no_grad;
  model->parameters()[0].fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(error_of(*model, prompt, with(R"({"max_new_tokens": 2})")), HasSubstr("NaN"));
}

// X01
TEST_F(GPT2Generate, RefusesWhatNoMemoryHolds) {
  for (const auto* huge : {R"({"max_new_tokens": 1, "cache_implementation": "static", "max_cache_len": 2000000000,
                               "do_sample": true, "num_return_sequences": 1000})",
                           R"({"max_new_tokens": 1, "do_sample": true, "num_return_sequences": 2000000000})"})
    EXPECT_THAT(error_of(*model, prompt, with(huge)), HasSubstr("are free")) << huge;
}

// X01
TEST_F(GPT2Generate, NeedsALanguageModelHead) {
  const auto body = testing::load_tiny("GPT2Model", testing::data_folder() / "gpt2/models/GPT2LMHeadModel");
  EXPECT_THROW((void)body->generate(prompt, with(R"({"max_new_tokens": 2})")), TypeError);
}

// X01
TEST_F(GPT2Generate, StartsWithBosWhenNoPromptIsGiven) {
  const auto started = run({.input_ids = ids({{1}})}, R"({"max_new_tokens": 3})");
  EXPECT_TRUE(at::equal(run({}, R"({"max_new_tokens": 3, "bos_token_id": 1})"), started));
}

// X01
TEST_F(GPT2Generate, CachesAgree) {
  const auto plain = run(prompt, R"({"max_new_tokens": 12, "use_cache": false})");
  for (const auto* kwargs : {R"({"max_new_tokens": 12})", R"({"max_new_tokens": 12, "cache_implementation": "static"})",
                             R"({"max_new_tokens": 12, "cache_implementation": "dynamic"})",
                             R"({"max_new_tokens": 12, "cache_implementation": "static", "max_cache_len": 30})"})
    EXPECT_TRUE(at::equal(run(prompt, kwargs), plain)) << kwargs;
}

// X01
TEST_F(GPT2Generate, PaddingAtTheLeftChangesNothing) {
  const ModelInputs padded{.input_ids = ids({{0, 0, 3, 4, 5, 6}, {7, 8, 9, 3, 4, 5}}),
                           .attention_mask = ids({{0, 0, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}})};
  for (const auto* kwargs : {R"({"max_new_tokens": 9})", R"({"max_new_tokens": 9, "use_cache": false})",
                             R"({"max_new_tokens": 9, "cache_implementation": "static"})"}) {
    const auto both = run(padded, kwargs);
    EXPECT_TRUE(at::equal(both[0].slice(0, 6), run(prompt, kwargs)[0].slice(0, 4))) << kwargs;
    EXPECT_TRUE(at::equal(both[1], run({.input_ids = ids({{7, 8, 9, 3, 4, 5}})}, kwargs)[0])) << kwargs;
  }
  // The mask follows from pad_token_id.
  EXPECT_TRUE(
      at::equal(run({.input_ids = padded.input_ids}, R"({"max_new_tokens": 9, "pad_token_id": 0, "eos_token_id": -1})"),
                run(padded, R"({"max_new_tokens": 9})")));
}

// X01
TEST_F(GPT2Generate, GoesOnFromACache) {
  const auto whole = run(prompt, R"({"max_new_tokens": 8})");
  const auto first = model->generate(prompt, with(R"({"max_new_tokens": 3, "return_dict_in_generate": true})"));
  ASSERT_TRUE(first.past_key_values);
  EXPECT_EQ(first.past_key_values->length(), 6);  // the last token was not fed
  const ModelInputs rest{.input_ids = first.sequences, .past_key_values = first.past_key_values};
  EXPECT_TRUE(at::equal(run(rest, R"({"max_new_tokens": 5})"), whole));
}

// X01
TEST_F(GPT2Generate, TakesEmbeddingsAsThePrompt) {
  const auto table = model->state_dict().at("transformer.wte.weight");
  const ModelInputs embedded{.inputs_embeds = table.index_select(0, prompt.input_ids[0]).unsqueeze(0)};
  EXPECT_TRUE(
      at::equal(run(embedded, R"({"max_new_tokens": 6})")[0], run(prompt, R"({"max_new_tokens": 6})")[0].slice(0, 4)));
}

// X01
TEST_F(GPT2Generate, LengthsGoByTheReferencesRules) {
  EXPECT_EQ(run(prompt, "{}").size(1), 20);  // 20 new tokens when nobody sets a length, but n_positions is 20
  EXPECT_TRUE(quiet.contains("no length is set", logging::Level::Warning));
  EXPECT_EQ(run(prompt, R"({"max_length": 9})").size(1), 9);
  EXPECT_EQ(run(prompt, R"({"max_length": 9, "max_new_tokens": 2})").size(1), 6);
  EXPECT_TRUE(quiet.contains("max_new_tokens goes first", logging::Level::Warning));
  model->generation_config->max_length = 7;
  EXPECT_EQ(run(prompt, "{}").size(1), 7);
  EXPECT_EQ(model->generate(prompt, {.generation_config = GenerationConfig{.max_length = 8}}).sequences.size(1), 8);
}

// X01
TEST_F(GPT2Generate, SamplesTheSameForTheSameSeed) {
  auto options = with(R"({"max_new_tokens": 12, "do_sample": true, "top_k": 0})");
  options.seed = 7;
  const auto once = model->generate(prompt, options).sequences;
  EXPECT_TRUE(at::equal(model->generate(prompt, options).sequences, once));
  options.seed = 8;
  EXPECT_FALSE(at::equal(model->generate(prompt, options).sequences, once));
}

// X01: the shares of the sampled tokens are those of the processed scores
TEST_F(GPT2Generate, SamplesFromTheDistribution) {
  constexpr int64_t kCount = 20000;
  auto options =
      with(R"({"max_new_tokens": 1, "do_sample": true, "temperature": 0.7, "top_k": 6, "return_dict_in_generate": true,
                          "output_scores": true})");
  options.kwargs["num_return_sequences"] = kCount;
  options.seed = 3;
  const auto result = model->generate(prompt, options);
  ASSERT_EQ(result.sequences.size(0), kCount);
  const auto expected = at::softmax(result.scores[0][0], -1);
  EXPECT_EQ(expected.gt(0).sum().item<int64_t>(), 6);
  const auto found = result.sequences.select(1, -1).bincount({}, expected.size(0)).to(at::kFloat) / kCount;
  // Five standard deviations of a share.
  const auto allowed = (expected * (1 - expected) / static_cast<double>(kCount)).sqrt() * 5;
  EXPECT_TRUE((found - expected).abs().le(allowed).all().item<bool>());
}

struct Poison final : LogitsProcessor {
  explicit Poison(float poison) : value(poison) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override { return at::full_like(scores, value); }
  float value;
};

// X01
TEST_F(GPT2Generate, RefusesToSampleFromNoDistribution) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    auto options = with(R"({"max_new_tokens": 2, "do_sample": true, "top_k": 0})");
    options.logits_processor = {std::make_shared<Poison>(value)};
    EXPECT_THAT(error_of(*model, prompt, options), HasSubstr("no distribution"));
  }
}

// X01
TEST_F(GPT2Generate, ProcessorsKeepTokensOut) {
  const auto plain = run(prompt, R"({"max_new_tokens": 6})")[0].slice(0, 4);
  const int64_t first = plain[0].item<int64_t>();
  Json::Object kwargs{{"max_new_tokens", 6}, {"suppress_tokens", Json::Array{first}}};
  EXPECT_FALSE(model->generate(prompt, {.kwargs = kwargs}).sequences[0].slice(0, 4).eq(first).any().item<bool>());
  kwargs = {{"max_new_tokens", 6}, {"begin_suppress_tokens", Json::Array{first}}};
  EXPECT_NE(model->generate(prompt, {.kwargs = kwargs}).sequences[0][4].item<int64_t>(), first);
  kwargs = {{"max_new_tokens", 6}, {"bad_words_ids", Json::Array{Json::Array{6, first}}}};
  EXPECT_NE(model->generate(prompt, {.kwargs = kwargs}).sequences[0][4].item<int64_t>(), first);
  kwargs = {{"max_new_tokens", 6}, {"forced_eos_token_id", 9}};
  EXPECT_EQ(model->generate(prompt, {.kwargs = kwargs}).sequences[0][9].item<int64_t>(), 9);
}

// X01
TEST_F(GPT2Generate, RepeatsNoNGram) {
  const auto result = run(prompt, R"({"max_new_tokens": 16, "no_repeat_ngram_size": 2})")[0];
  std::set<std::pair<int64_t, int64_t>> seen;
  for (int64_t i = 0; i + 1 < result.size(0); ++i)
    EXPECT_TRUE(seen.emplace(result[i].item<int64_t>(), result[i + 1].item<int64_t>()).second) << i;
}

struct StopAtLength final : StoppingCriteria {
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override {
    EXPECT_EQ(scores.dim(), 2);
    return at::full({input_ids.size(0)}, input_ids.size(1) >= 7, at::kBool);
  }
};

// X01
TEST_F(GPT2Generate, StopsWhereItIsTold) {
  auto options = with(R"({"max_new_tokens": 30})");
  options.stopping_criteria = {std::make_shared<StopAtLength>()};
  EXPECT_EQ(model->generate(prompt, options).sequences.size(1), 7);
  EXPECT_EQ(run(prompt, R"({"max_new_tokens": 30, "max_time": 0.0})").size(1), 5);
  options = with(R"({"max_new_tokens": 30, "stop_strings": "#"})");
  const int64_t third = run(prompt, R"({"max_new_tokens": 3})")[0][6].item<int64_t>();
  options.decode = [&](std::span<const int64_t> tokens) {
    std::string text;
    for (const auto token : tokens) text += token == third ? "a#b" : ".";
    return text;
  };
  const auto stopped = model->generate(prompt, options).sequences;
  EXPECT_EQ(stopped[0][stopped.size(1) - 1].item<int64_t>(), third);
  EXPECT_LE(stopped.size(1), 7);
}

struct Recorder final : BaseStreamer {
  void put(const at::Tensor& tokens) override { parts.push_back(tokens.dim() == 1 ? tokens.unsqueeze(1) : tokens); }
  void end() override { ended = true; }
  std::vector<at::Tensor> parts = {};
  bool ended = false;
};

// X01
TEST_F(GPT2Generate, StreamsWhatItReturns) {
  const auto recorder = std::make_shared<Recorder>();
  auto options = with(R"({"max_new_tokens": 5})");
  options.streamer = recorder;
  const auto result = model->generate({.input_ids = ids({{3, 4, 5}, {5, 6, 7}})}, options).sequences;
  EXPECT_EQ(recorder->parts.size(), 6U);
  EXPECT_TRUE(recorder->ended);
  EXPECT_TRUE(at::equal(at::cat(recorder->parts, 1), result));
}

// X01
TEST_F(GPT2Generate, ReturnsStatesOfEachStep) {
  model->set_attn_implementation("eager");
  const auto result =
      model->generate(prompt, with(R"({"max_new_tokens": 3, "return_dict_in_generate": true, "output_logits": true,
                                                       "output_attentions": true, "output_hidden_states": true, "suppress_tokens": [5]})"));
  ASSERT_EQ(result.logits.size(), 3U);
  EXPECT_TRUE(result.logits[0].isfinite().all().item<bool>());
  EXPECT_TRUE(result.scores.empty());
  ASSERT_EQ(result.hidden_states.size(), 3U);
  ASSERT_EQ(result.attentions.size(), 3U);
  EXPECT_EQ(result.hidden_states[0][0].size(1), 4);
  EXPECT_EQ(result.attentions[2][0].size(3), 6);
}

// X01
TEST_F(GPT2Generate, LeavesNoGraphBehind) {
  const auto result =
      model->generate(prompt, with(R"({"max_new_tokens": 2, "return_dict_in_generate": true, "output_scores": true})"));
  EXPECT_FALSE(result.scores[0].requires_grad());
  EXPECT_FALSE(result.sequences.is_inference());
}

// X01
TEST(T5Generate, RunsTheEncoderOnceAndStartsWithTheStartToken) {
  const logging::Capture quiet;
  const auto model = testing::tiny_t5();
  const ModelInputs prompt{.input_ids = ids({{3, 4, 5, 1}})};
  const auto plain = model->generate(prompt, with(R"({"max_new_tokens": 8})")).sequences;
  EXPECT_EQ(plain[0][0].item<int64_t>(), 0);
  ModelInputs encoded{
      .encoder_outputs =
          model->forward({.input_ids = prompt.input_ids, .decoder_input_ids = ids({{0}})}).encoder_last_hidden_state};
  EXPECT_TRUE(at::equal(model->generate(encoded, with(R"({"max_new_tokens": 8})")).sequences, plain));
  // A decoder prompt gets the start token in front when it lacks it.
  ModelInputs begun = prompt;
  begun.decoder_input_ids = plain.slice(1, 1, 3);
  EXPECT_TRUE(at::equal(model->generate(begun, with(R"({"max_new_tokens": 6})")).sequences, plain));
  EXPECT_TRUE(at::equal(
      model->generate(prompt, with(R"({"max_new_tokens": 8, "cache_implementation": "static"})")).sequences, plain));
}

// X01
TEST(T5Generate, NeedsAStartToken) {
  const auto model = testing::tiny_t5();
  EXPECT_THAT(error_of(*model, {.input_ids = ids({{3, 4}})},
                       {.generation_config = GenerationConfig{.max_new_tokens = 2},
                        .kwargs = Json::parse(R"({"decoder_start_token_id": 9999})")}),
              HasSubstr("9999"));
  model->generation_config->decoder_start_token_id = Json();
  model->generation_config->bos_token_id = {};
  EXPECT_THAT(error_of(*model, {.input_ids = ids({{3, 4}})}, with(R"({"max_new_tokens": 2})")),
              HasSubstr("decoder_start_token_id"));
}

}  // namespace
}  // namespace transformers
