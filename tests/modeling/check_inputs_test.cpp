// What a model says of inputs that it cannot take, and what it must take.
#include "transformers/modeling/check_inputs.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"

namespace transformers {

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::pair<std::string_view, std::string_view> kConfigs[] = {
    {"llama", R"({"vocab_size": 41, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
                  "num_attention_heads": 4, "max_position_embeddings": 20})"},
    {"bert", R"({"vocab_size": 41, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
                 "num_attention_heads": 4, "max_position_embeddings": 20})"},
    {"gpt2", R"({"vocab_size": 41, "n_embd": 16, "n_layer": 1, "n_head": 4, "n_positions": 20})"},
    {"t5", R"({"vocab_size": 41, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 4,
               "decoder_start_token_id": 0, "pad_token_id": 0})"},
    {"vit", R"({"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4,
                "image_size": 12, "patch_size": 4, "encoder_stride": 4})"}};

std::shared_ptr<PreTrainedModel> model_of(std::string_view class_name) {
  const auto* row = find_model_class(class_name);
  const auto all = architectures();
  const auto& architecture = **std::ranges::find_if(all, [&](const Architecture* one) {
    return std::ranges::any_of(one->classes, [&](const ModelClass& own) { return own.name == class_name; });
  });
  const auto json =
      std::ranges::find(kConfigs, architecture.model_type, &std::pair<std::string_view, std::string_view>::first);
  auto config = architecture.config();
  config->update(Json::parse(json->second), "the test");
  auto model = row->make(config, Json::object());
  model->eval();
  return model;
}

at::Tensor ids(at::IntArrayRef shape, int64_t value = 3) { return at::full(shape, value, at::kLong); }
at::Tensor floats(at::IntArrayRef shape) { return at::ones(shape); }

struct Case {
  std::string_view model;
  ModelInputs inputs;
  std::string expected;  // in the error
};

void expect_refused(const std::vector<Case>& cases) {
  for (const auto& [name, inputs, expected] : cases) {
    const auto model = model_of(name);
    try {
      static_cast<void>(model->forward(inputs));
      ADD_FAILURE() << name << ": no error, expected: " << expected;
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr(expected)) << name;
    }
  }
}

const at::Tensor kIds = ids({1, 4});

}  // namespace

TEST(CheckInputs, RefusesIdsOfAnotherRankOrDtype) {
  expect_refused({
      {"LlamaForCausalLM", {.input_ids = ids({3})}, "input_ids has the shape [3], expected (batch, tokens)"},
      {"LlamaForCausalLM", {.input_ids = ids({})}, "input_ids has the shape [], expected (batch, tokens)"},
      {"LlamaForCausalLM", {.input_ids = ids({1, 2, 3})}, "input_ids has the shape [1, 2, 3]"},
      {"LlamaForCausalLM", {.input_ids = ids({1, 0})}, "input_ids has the shape [1, 0]"},
      {"BertModel", {.input_ids = ids({0, 4})}, "none of them 0"},
      {"LlamaForCausalLM", {.input_ids = floats({1, 4})}, "input_ids has the dtype float32, expected int64 or int32"},
      {"BertModel", {.input_ids = kIds.to(at::kBool)}, "input_ids has the dtype bool"},
      {"LlamaForCausalLM", {.inputs_embeds = floats({1, 4, 15})}, "(batch, tokens, hidden 16)"},
      {"LlamaForCausalLM", {.inputs_embeds = floats({4, 16})}, "inputs_embeds has the shape [4, 16]"},
      {"LlamaForCausalLM", {.inputs_embeds = ids({1, 4, 16})}, "inputs_embeds has the dtype int64, expected floats"},
      {"LlamaForCausalLM",
       {.inputs_embeds = floats({1, 4, 16}).to(at::kDouble)},
       "inputs_embeds has the dtype float64"},
  });
}

TEST(CheckInputs, RefusesWhatDoesNotGoWithTheIds) {
  expect_refused({
      {"LlamaForCausalLM",
       {.input_ids = kIds, .attention_mask = ids({1, 5}, 1)},
       "attention_mask has the shape [1, 5]"},
      {"LlamaForCausalLM", {.input_ids = kIds, .attention_mask = ids({1, 3}, 1)}, "past + tokens 4"},
      {"LlamaForCausalLM", {.input_ids = kIds, .attention_mask = ids({2, 4}, 1)}, "(batch 1, past + tokens 4)"},
      {"BertModel", {.input_ids = kIds, .attention_mask = ids({4}, 1)}, "attention_mask has the shape [4]"},
      {"BertModel", {.input_ids = kIds, .attention_mask = floats({1, 1, 4, 9})}, "attention_mask has the shape"},
      {"LlamaForCausalLM", {.input_ids = kIds, .attention_mask = ids({1, 1, 4, 4}, 1)}, "expected bool, or floats"},
      {"LlamaForCausalLM",
       {.input_ids = kIds, .attention_mask = at::full({1, 4}, std::numeric_limits<float>::quiet_NaN())},
       "attention_mask holds NaN"},
      {"LlamaForCausalLM", {.input_ids = kIds, .position_ids = ids({1, 9})}, "position_ids has the shape [1, 9]"},
      {"LlamaForCausalLM", {.input_ids = kIds, .position_ids = floats({1, 4})}, "position_ids has the dtype float32"},
      {"BertModel", {.input_ids = kIds, .token_type_ids = ids({1, 2}, 0)}, "token_type_ids has the shape [1, 2]"},
      {"LlamaForCausalLM", {.input_ids = kIds, .logits_to_keep = -1}, "logits_to_keep is -1"},
  });
}

TEST(CheckInputs, RefusesLabelsOfAnotherShape) {
  expect_refused({
      {"LlamaForCausalLM", {.input_ids = kIds, .labels = ids({1, 2})}, "labels has the shape [1, 2]"},
      {"LlamaForCausalLM", {.input_ids = kIds, .labels = floats({1, 4})}, "labels has the dtype float32"},
      {"BertForSequenceClassification", {.input_ids = kIds, .labels = ids({2}, 1)}, "labels has the shape [2]"},
      {"BertForSequenceClassification",
       {.input_ids = kIds, .labels = floats({1})},
       "expected [1, 2] for the problem_type"},
      {"BertForQuestionAnswering", {.input_ids = kIds, .start_positions = ids({1})}, "without end_positions"},
      {"BertForQuestionAnswering", {.input_ids = kIds, .end_positions = ids({1})}, "without start_positions"},
      {"BertForQuestionAnswering",
       {.input_ids = kIds, .start_positions = floats({1}), .end_positions = ids({1})},
       "start_positions has the dtype float32"},
  });
}

TEST(CheckInputs, RefusesDecoderInputsOfAnotherBatch) {
  const auto mask = ids({1, 2}, 1);
  expect_refused({
      {"T5ForConditionalGeneration",
       {.input_ids = kIds, .decoder_input_ids = ids({2, 2})},
       "decoder_input_ids has the shape [2, 2]"},
      {"T5ForConditionalGeneration",
       {.input_ids = kIds, .decoder_input_ids = kIds, .decoder_attention_mask = mask},
       "decoder_attention_mask has the shape [1, 2], expected (batch 1, past + target 4)"},
      {"T5ForConditionalGeneration",
       {.decoder_input_ids = kIds, .encoder_outputs = floats({1, 4})},
       "encoder_outputs has the shape [1, 4]"},
      {"T5ForConditionalGeneration",
       {.input_ids = kIds, .labels = ids({1, 2}), .decoder_input_ids = kIds},
       "labels has the shape [1, 2]"},
  });
}

TEST(CheckInputs, RefusesImagesAndTheirMasks) {
  const auto pixels = floats({1, 3, 12, 12});
  expect_refused({
      {"ViTModel", {.pixel_values = floats({3, 12, 12})}, "pixel_values has the shape [3, 12, 12]"},
      {"ViTModel", {.pixel_values = floats({0, 3, 12, 12})}, "none of them 0"},
      {"ViTModel", {.pixel_values = floats({1, 1, 12, 12})}, "expected (batch, 3, height, width)"},
      {"ViTModel", {.pixel_values = floats({1, 3, 4, 12})}, "the image is 4 x 12"},
      {"ViTForMaskedImageModeling",
       {.pixel_values = pixels, .bool_masked_pos = ids({1, 9}, 7)},
       "other numbers than 0 and 1"},
  });
}

TEST(CheckInputs, NamesTheFieldWithIdsOutOfRange) {
  expect_refused({
      {"LlamaForCausalLM", {.input_ids = ids({1, 4}, 41)}, "input_ids holds 41, expected 0 to 40"},
      {"LlamaForCausalLM", {.input_ids = ids({1, 4}, -1)}, "input_ids holds -1"},
      {"LlamaForCausalLM",
       {.input_ids = kIds, .labels = ids({1, 4}, 99)},
       "labels holds 99, expected 0 to 40, or -100"},
      {"BertForSequenceClassification", {.input_ids = kIds, .labels = ids({1}, 9)}, "labels holds 9, expected 0 to 1"},
      {"BertForMultipleChoice",
       {.input_ids = ids({1, 2, 4}), .labels = ids({1}, 7)},
       "labels holds 7, expected 0 to 1"},
      {"BertModel", {.input_ids = kIds, .token_type_ids = ids({1, 4}, 5)}, "token_type_ids holds 5, expected 0 to 1"},
      {"BertModel", {.input_ids = kIds, .position_ids = ids({1, 4}, 90)}, "position_ids holds 90, expected 0 to 19"},
      {"GPT2LMHeadModel",
       {.input_ids = ids({1, 50})},
       "the input has 50 tokens, the model has max_position_embeddings 20"},
      {"T5ForConditionalGeneration",
       {.input_ids = kIds, .decoder_input_ids = ids({1, 2}, 99)},
       "decoder_input_ids holds 99"},
      {"T5ForConditionalGeneration", {.input_ids = kIds, .labels = ids({1, 2}, 300)}, "labels holds 300"},
  });
}

TEST(CheckInputs, TakesWhatTheReferenceTakes) {
  const logging::Capture quiet;
  const auto causal = at::ones({1, 1, 4, 4}, at::kBool).tril();
  const auto two = ids({2, 4});
  const std::pair<std::string_view, ModelInputs> cases[] = {
      {"LlamaForCausalLM", {.input_ids = kIds.to(at::kInt), .labels = kIds.to(at::kInt)}},
      {"LlamaForCausalLM", {.input_ids = two, .position_ids = at::arange(4).unsqueeze(0)}},
      {"LlamaForCausalLM", {.input_ids = kIds, .attention_mask = floats({1, 4})}},
      {"LlamaForCausalLM", {.input_ids = kIds, .attention_mask = ids({1, 4}, 1).to(at::kBool)}},
      {"LlamaForCausalLM", {.input_ids = kIds, .attention_mask = causal}},
      {"LlamaForCausalLM", {.input_ids = two, .attention_mask = at::zeros({1, 1, 4, 4})}},
      {"BertModel", {.input_ids = two, .token_type_ids = ids({1, 4}, 0)}},
      {"BertForSequenceClassification", {.input_ids = two, .labels = floats({2, 2})}},
      {"BertForQuestionAnswering",
       {.input_ids = two, .start_positions = ids({2, 1}), .end_positions = ids({2, 1}, 99)}},
      {"GPT2LMHeadModel", {.input_ids = ids({1, 2, 4}), .labels = ids({1, 2, 4})}},
      {"T5ForConditionalGeneration", {.input_ids = ids({2, 5}), .labels = ids({2, 3})}},
      {"ViTForMaskedImageModeling", {.pixel_values = floats({1, 3, 12, 12}), .bool_masked_pos = ids({1, 9}, 1)}},
  };
  for (const auto& [name, inputs] : cases) EXPECT_NO_THROW(static_cast<void>(model_of(name)->forward(inputs))) << name;
}

TEST(CheckInputs, AMaskOfTruthsMasks) {
  const auto model = model_of("LlamaForCausalLM");
  const auto input = at::arange(4).unsqueeze(0) + 1;
  const auto causal = at::ones({1, 1, 4, 4}, at::kBool).tril();
  const auto plain = model->forward({.input_ids = input}).logits;
  for (const auto* attention : {"eager", "sdpa"}) {
    model->set_attn_implementation(attention);
    EXPECT_TRUE(model->forward({.input_ids = input, .attention_mask = causal}).logits.allclose(plain, 1e-5, 1e-6));
  }
}

TEST(CheckInputs, MasksOfAStepCoverThePast) {
  const auto model = model_of("LlamaForCausalLM");
  const auto cache = model->make_cache();
  static_cast<void>(model->forward({.input_ids = kIds, .past_key_values = cache, .use_cache = true}));
  const ModelInputs step{
      .input_ids = ids({1, 1}), .attention_mask = ids({1, 5}, 1), .past_key_values = cache, .use_cache = true};
  EXPECT_NO_THROW(static_cast<void>(model->forward(step)));
  EXPECT_THROW(static_cast<void>(model->forward(step)), ValueError);  // the cache has five tokens by now
}

TEST(CheckInputs, WarnsOnceWhereRotaryPositionsRunOn) {
  const logging::Capture log;
  logging::Capture::reset_once();
  const auto model = model_of("LlamaForCausalLM");
  for (int i = 0; i < 2; ++i) static_cast<void>(model->forward({.input_ids = ids({1, 21})}));
  EXPECT_EQ(log.records().size(), 1u);
  EXPECT_TRUE(log.contains("longer than max_position_embeddings, 20", logging::Level::Warning));
}

TEST(CheckInputs, ErrorsAreNotLibtorchs) {
  const auto model = model_of("LlamaForCausalLM");
  for (const auto& inputs :
       {ModelInputs{.input_ids = ids({})}, ModelInputs{.input_ids = kIds, .labels = ids({1, 4}, 99)}})
    try {
      static_cast<void>(model->forward(inputs));
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), Not(HasSubstr("Dimension out of range")));
      EXPECT_THAT(error.what(), Not(HasSubstr("Target")));
    }
}

}  // namespace transformers
