#include "transformers/mapping/dialects/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "fake_reader.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/key_match.h"

namespace transformers {
namespace {

using ::testing::AllOf;
using testing::FakeReader;
using ::testing::HasSubstr;

const std::filesystem::path kFolder = std::filesystem::path(TRANSFORMERS_TEST_DATA) / "gguf";

Json golden_files() { return Json::parse_file(kFolder / "cases.json").at("files"); }

// A decoder of 2 layers, 8 wide, 4 heads over 2, as a converter describes it.
FakeReader decoder(const std::string& architecture) {
  FakeReader reader;
  reader.pairs["general.architecture"] = architecture;
  const std::pair<const char*, Json> rows[] = {{"context_length", 64},
                                               {"block_count", 2},
                                               {"embedding_length", 8},
                                               {"feed_forward_length", 12},
                                               {"attention.head_count", 4},
                                               {"attention.head_count_kv", 2},
                                               {"attention.layer_norm_rms_epsilon", 1e-5},
                                               {"rope.freq_base", 5000.0}};
  for (const auto& [key, value] : rows) reader.pairs[architecture + "." + key] = value;
  reader.pairs["tokenizer.ggml.tokens"] = Json::Array{"a", "b", "c"};
  reader.add("token_embd.weight", {3, 8}).add("blk.0.attn_q.weight").add("blk.1.attn_q.weight");
  return reader;
}

FakeReader t5() {
  auto reader = decoder("t5");
  reader.pairs["t5.attention.key_length"] = 2;
  reader.pairs["t5.attention.layer_norm_epsilon"] = 1e-6;
  reader.pairs["t5.attention.relative_buckets_count"] = 32;
  return reader;
}

std::string refusal(const FakeReader& reader) {
  try {
    static_cast<void>(gguf_config(reader, "model.gguf"));
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.gguf: "));
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

// What a rule leads to among `names`; rules are tried in order.
const KeyRule* rule_for(std::span<const KeyRule> rules, std::string_view key, const Json& names) {
  for (const auto& rule : rules)
    if (const auto name = apply_rule(rule, key); name && names.contains(*name)) return &rule;
  return nullptr;
}

TEST(GgufDialect, DerivesTheConfigsOfTheReference) {
  const auto files = golden_files();
  for (const auto& row : files.as_array()) {
    const auto& file = row.at("file").as_string();
    SCOPED_TRACE(file);
    const auto config = gguf_config(*open_checkpoint(kFolder / file), file);
    const auto& expected = row.at("config");
    EXPECT_EQ(config.at("architectures"), Json(Json::Array{row.at("class")}));
    EXPECT_GE(config.size(), 14U);
    for (const auto& [key, value] : config.as_object()) {
      if (key == "architectures") continue;
      if (key == "head_dim" && !expected.contains(key)) {  // Qwen2's has no such field, but the same width
        EXPECT_EQ(value.as_int() * expected.at("num_attention_heads").as_int(), expected.at("hidden_size").as_int());
      } else if (key == "tie_word_embeddings" && expected.contains("scale_decoder_outputs")) {  // how T5 reads it
        EXPECT_EQ(value, expected.at("scale_decoder_outputs"));
      } else {
        EXPECT_EQ(value, expected.at(key)) << key;
      }
    }
  }
}

TEST(GgufDialect, FindsAHomeForEveryTensorOfTheGoldenFiles) {
  const auto files = golden_files();
  for (const auto& row : files.as_array()) {
    const auto& file = row.at("file").as_string();
    SCOPED_TRACE(file);
    const auto reader = open_checkpoint(kFolder / file);
    const auto rules = gguf_rules(*reader);
    const auto& expected = row.at("tensors");
    std::set<std::string> found;
    for (const auto& entry : reader->entries()) {
      const auto* rule = rule_for(rules, entry.name, expected);
      ASSERT_TRUE(rule) << entry.name;
      const auto name = apply_rule(*rule, entry.name).value();
      EXPECT_TRUE(found.insert(name).second) << name;
      EXPECT_EQ(invert_rule(*rule, name), entry.name);
    }
    EXPECT_EQ(found.size(), expected.size());
  }
}

TEST(GgufDialect, UndoesWhatTheConvertersDidToTensors) {
  const auto op_of = [](std::string_view file, std::string_view key) {
    for (const auto& rule : gguf_rules(*open_checkpoint(kFolder / file)))
      if (key_matches(rule.from, key)) return std::pair(rule.op, std::string(rule.heads));
    return std::pair(Op::Rename, std::string("no rule"));
  };
  const std::pair q(Op::PermuteRope, std::string("num_attention_heads"));
  const std::pair k(Op::PermuteRope, std::string("num_key_value_heads"));
  EXPECT_EQ(op_of("llama_f32.gguf", "blk.0.attn_q.weight"), q);
  EXPECT_EQ(op_of("llama_f32.gguf", "blk.0.attn_k.bias"), k);
  EXPECT_EQ(op_of("llama_f32.gguf", "blk.0.attn_v.weight"), std::pair(Op::Rename, std::string()));
  EXPECT_EQ(op_of("qwen2.gguf", "blk.0.attn_q.weight"), std::pair(Op::Rename, std::string()));
  EXPECT_EQ(op_of("gpt2.gguf", "blk.0.attn_qkv.weight"), std::pair(Op::Transpose, std::string()));
  EXPECT_EQ(op_of("gpt2.gguf", "blk.0.attn_qkv.bias"), std::pair(Op::Rename, std::string()));
}

TEST(GgufDialect, ReadsTheWidthOfAHeadFromTheFile) {
  auto reader = decoder("qwen3");
  EXPECT_FALSE(gguf_config(reader, "model.gguf").contains("head_dim"));
  reader.pairs["qwen3.rope.dimension_count"] = 16;
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("head_dim"), Json(16));
  reader.pairs["qwen3.attention.key_length"] = 32;
  EXPECT_THAT(refusal(reader), AllOf(HasSubstr("'qwen3.rope.dimension_count' is 16"), HasSubstr("32")));
  reader.pairs["qwen3.rope.dimension_count"] = 32;
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("head_dim"), Json(32));
}

TEST(GgufDialect, TakesOneKeyPerHeadWhereTheFileSaysNothing) {
  auto reader = decoder("qwen2");
  reader.pairs.erase("qwen2.attention.head_count_kv");
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("num_key_value_heads"), Json(4));
}

TEST(GgufDialect, SeesBiasesByTheirTensors) {
  auto reader = decoder("llama");
  EXPECT_FALSE(gguf_config(reader, "model.gguf").contains("attention_bias"));
  reader.add("blk.0.attn_q.bias").add("blk.0.ffn_up.bias");
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("attention_bias"), Json(true));
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("mlp_bias"), Json(true));
}

TEST(GgufDialect, TiesWordEmbeddingsWithoutAnOutputTensor) {
  auto reader = decoder("llama");
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("tie_word_embeddings"), Json(true));
  reader.add("output.weight");
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("tie_word_embeddings"), Json(false));
}

TEST(GgufDialect, TakesTheVocabularyFromKeyThenTokensThenEmbedding) {
  auto reader = decoder("llama");
  reader.tensors[0].shape = {5, 8};
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("vocab_size"), Json(3));
  reader.pairs["llama.vocab_size"] = 4;
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("vocab_size"), Json(4));
  reader.pairs.erase("llama.vocab_size");
  reader.pairs.erase("tokenizer.ggml.tokens");
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("vocab_size"), Json(5));
  reader.tensors[0].name = "other";
  EXPECT_THAT(refusal(reader), HasSubstr("'llama.vocab_size'"));
  reader.pairs["tokenizer.ggml.tokens"] = Json::list();
  EXPECT_THAT(refusal(reader), HasSubstr("'tokenizer.ggml.tokens' is a list of size 0"));
  reader.pairs["tokenizer.ggml.tokens"] = "abc";
  EXPECT_THAT(refusal(reader), HasSubstr("'tokenizer.ggml.tokens' is a string"));
}

TEST(GgufDialect, TellsMistralByItsName) {
  auto reader = decoder("llama");
  reader.pairs["general.name"] = "Mistral 7B";
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("model_type"), Json("llama"));
  reader.pairs["general.name"] = "mistral";
  const auto config = gguf_config(reader, "model.gguf");
  EXPECT_EQ(config.at("model_type"), Json("mistral"));
  EXPECT_EQ(config.at("architectures"), Json(Json::Array{"MistralForCausalLM"}));
  EXPECT_EQ(config.at("num_key_value_heads"), Json(2));
}

TEST(GgufDialect, GivesGPT2TheLengthsOfTheFile) {
  auto reader = decoder("gpt2");
  reader.pairs["gpt2.attention.layer_norm_epsilon"] = 1e-5;
  const auto config = gguf_config(reader, "model.gguf");
  EXPECT_EQ(config.at("n_positions"), Json(64));
  EXPECT_EQ(config.at("n_inner"), Json(12));
  reader.pairs["gpt2.feed_forward_length"] = 32;
  EXPECT_FALSE(gguf_config(reader, "model.gguf").contains("n_inner"));
}

TEST(GgufDialect, TellsGatedT5FromPlainT5) {
  auto reader = t5();
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("is_gated_act"), Json(false));
  const Json plain = Json::Object{{"encoder.block.0.layer.1.DenseReluDense.wi.weight", 1}};
  EXPECT_TRUE(rule_for(gguf_rules(reader), "enc.blk.0.ffn_up.weight", plain));
  reader.add("enc.blk.0.ffn_gate.weight");
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("is_gated_act"), Json(true));
  reader.pairs["t5.decoder_block_count"] = 1;
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("num_decoder_layers"), Json(1));
  reader.add("enc.blk.1.attn_rel_b.weight");
  EXPECT_THAT(refusal(reader), HasSubstr("UMT5"));
}

TEST(GgufRope, ScalesLinearlyAndByYarn) {
  auto reader = decoder("llama");
  const auto rope = [&] { return gguf_config(reader, "model.gguf").at("rope_parameters"); };
  EXPECT_EQ(rope(), Json::parse(R"({"rope_type": "default", "rope_theta": 5000.0})"));
  reader.pairs["llama.rope.scale_linear"] = 2.0;  // the old key
  EXPECT_EQ(rope(), Json::parse(R"({"rope_type": "linear", "rope_theta": 5000.0, "factor": 2.0})"));
  reader.pairs["llama.rope.scaling.factor"] = 4.0;
  EXPECT_EQ(rope(), Json::parse(R"({"rope_type": "linear", "rope_theta": 5000.0, "factor": 4.0})"));
  reader.pairs["llama.rope.scaling.type"] = "yarn";
  reader.pairs["llama.rope.scaling.original_context_length"] = 16;
  EXPECT_EQ(rope(), Json::parse(R"({"rope_type": "yarn", "rope_theta": 5000.0, "factor": 4.0,
                                    "original_max_position_embeddings": 16})"));
  reader.pairs["llama.rope.scaling.type"] = "none";
  EXPECT_EQ(rope(), Json::parse(R"({"rope_type": "default", "rope_theta": 5000.0})"));
  reader.pairs["llama.rope.scaling.type"] = "longrope";
  EXPECT_THAT(refusal(reader), AllOf(HasSubstr("'llama.rope.scaling.type'"), HasSubstr("'longrope'")));
  reader.pairs["llama.rope.scaling.type"] = "yarn";
  reader.pairs["llama.rope.scaling.attn_factor"] = 1.5;
  EXPECT_THAT(refusal(reader), HasSubstr("'llama.rope.scaling.attn_factor' is 1.5"));
}

std::string floats(std::initializer_list<float> values) {
  std::string out(values.size() * sizeof(float), '\0');
  std::memcpy(out.data(), std::data(values), out.size());
  return out;
}

TEST(GgufRope, TakesTheFactorsOfTheFrequencies) {
  auto reader = decoder("llama");
  reader.pairs["llama.rope.dimension_count"] = 4;
  reader.add("rope_freqs.weight", {2});
  const auto type = [&] { return gguf_config(reader, "model.gguf").at("rope_parameters").at("rope_type"); };
  reader.data = floats({1, 1});
  EXPECT_EQ(type(), Json("default"));
  reader.data = floats({1, 8});
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("rope_parameters"),
            Json::parse(R"({"rope_type": "longrope", "rope_theta": 5000.0, "short_factor": [1.0, 8.0],
                            "long_factor": [1.0, 8.0], "attention_factor": 1.0})"));
  EXPECT_TRUE(key_matches(gguf_ignored_keys()[0], "rope_freqs.weight"));
  reader.pairs["llama.rope.scaling.factor"] = 2.0;
  EXPECT_THAT(refusal(reader), HasSubstr("twice"));
}

TEST(GgufRope, RefusesFactorsThatCannotBe) {
  auto reader = decoder("llama");
  reader.add("rope_freqs.weight", {1});
  using Limits = std::numeric_limits<float>;
  for (const float bad : {0.0F, -1.0F, Limits::infinity(), Limits::quiet_NaN()}) {
    reader.data = floats({bad});
    EXPECT_THAT(refusal(reader), HasSubstr("'rope_freqs.weight'"));
  }
  reader.data = floats({2, 2});  // the shape says one
  EXPECT_THAT(refusal(reader), HasSubstr("8 bytes"));
  reader.tensors.back().shape = {int64_t{1} << 60};
  EXPECT_THAT(refusal(reader), HasSubstr("of shape [1152921504606846976], expected float32 of shape [1]"));
}

TEST(GgufDialect, NamesTheKnownArchitectures) {
  auto reader = decoder("mamba");
  EXPECT_THAT(refusal(reader),
              HasSubstr("'mamba' is not known; known are gpt2, llama, mistral, qwen2, qwen3, t5, t5encoder"));
  EXPECT_THROW(static_cast<void>(gguf_rules(reader)), ValueError);
  reader.pairs["general.architecture"] = 3;
  EXPECT_THAT(refusal(reader), HasSubstr("'general.architecture' is of type int, expected a string"));
  reader.pairs.erase("general.architecture");
  EXPECT_THAT(refusal(reader), HasSubstr("has no metadata key 'general.architecture'"));
}

TEST(GgufDialect, NamesAKeyThatIsMissing) {
  for (const auto* key :
       {"llama.context_length", "llama.block_count", "llama.embedding_length", "llama.feed_forward_length",
        "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon"}) {
    auto reader = decoder("llama");
    ASSERT_TRUE(reader.pairs.erase(key));
    EXPECT_THAT(refusal(reader), HasSubstr(str("has no metadata key '", key, "'")));
  }
}

TEST(GgufDialect, RefusesHostileSizes) {
  const Json bad[] = {0,
                      -1,
                      int64_t{1} << 40,
                      std::numeric_limits<int64_t>::max(),
                      std::numeric_limits<int64_t>::min(),
                      std::numeric_limits<uint64_t>::max(),
                      2.0,
                      true,
                      "2",
                      Json::Array{2},
                      Json::list(),
                      Json()};
  for (const auto* key : {"llama.context_length", "llama.block_count", "llama.embedding_length",
                          "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv",
                          "llama.attention.key_length", "llama.rope.dimension_count", "llama.vocab_size"})
    for (const auto& value : bad) {
      auto reader = decoder("llama");
      reader.pairs[key] = value;
      EXPECT_THAT(refusal(reader), HasSubstr(str("'", key, "'"))) << value.dump();
    }
}

TEST(GgufDialect, RefusesHostileNumbersAndTokens) {
  const Json numbers[] = {0,
                          -1.0,
                          std::numeric_limits<double>::infinity(),
                          std::numeric_limits<double>::quiet_NaN(),
                          "1",
                          true,
                          Json::Array{1.0}};
  for (const auto* key : {"llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base"})
    for (const auto& value : numbers) {
      auto reader = decoder("llama");
      reader.pairs[key] = value;
      EXPECT_THAT(refusal(reader), HasSubstr(str("'", key, "'"))) << value.dump();
    }
  for (const Json& value : {Json(-1), Json(int64_t{1} << 31), Json("1"), Json(Json::Array{1})}) {
    auto reader = decoder("llama");
    reader.pairs["tokenizer.ggml.eos_token_id"] = value;
    EXPECT_THAT(refusal(reader), HasSubstr("'tokenizer.ggml.eos_token_id'"));
  }
}

TEST(GgufDialect, RefusesMoreLayersThanTensors) {
  auto reader = decoder("llama");
  reader.pairs["llama.block_count"] = 4;
  EXPECT_THAT(refusal(reader), AllOf(HasSubstr("'llama.block_count' is 4"), HasSubstr("3 tensors")));
}

TEST(GgufDialect, RefusesHeadsThatDoNotDivide) {
  auto reader = decoder("llama");
  reader.pairs["llama.attention.head_count_kv"] = 3;
  EXPECT_THAT(refusal(reader), HasSubstr("'llama.attention.head_count_kv' is 3"));
  reader.pairs["llama.attention.head_count_kv"] = 1;
  reader.pairs["llama.attention.head_count"] = 3;
  EXPECT_THAT(refusal(reader), HasSubstr("'llama.attention.head_count' is 3"));
}

TEST(GgufDialect, RefusesMixturesOfExperts) {
  auto reader = decoder("llama");
  reader.pairs["llama.expert_count"] = 0;
  EXPECT_EQ(gguf_config(reader, "model.gguf").at("model_type"), Json("llama"));
  reader.pairs["llama.expert_count"] = 8;
  EXPECT_THAT(refusal(reader), HasSubstr("'llama.expert_count'"));
}

}  // namespace
}  // namespace transformers
