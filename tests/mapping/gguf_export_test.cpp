#include "transformers/mapping/dialects/gguf_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/gguf.h"
#include "transformers/dtypes/quants.h"
#include "transformers/mapping/dialects/gguf.h"
#include "transformers/mapping/key_match.h"

namespace transformers {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::filesystem::path kData = TRANSFORMERS_TEST_DATA;

std::filesystem::path temporary_file(std::string_view name) {
  return std::filesystem::path(::testing::TempDir()) / str("gguf-export-", ::getpid(), "-", name, ".gguf");
}

// A checkpoint under the reference's names, in float32: what a converter starts from.
class ModelReader final : public CheckpointReader {
 public:
  std::vector<CheckpointEntry> tensors = {};
  std::map<std::string, std::vector<float>, std::less<>> values = {};

  void add(std::string name, std::vector<int64_t> shape, std::vector<float> data) {
    tensors.push_back({.name = name, .shape = std::move(shape)});
    values.emplace(std::move(name), std::move(data));
  }
  [[nodiscard]] std::span<const CheckpointEntry> entries() const override { return tensors; }
  [[nodiscard]] const CheckpointEntry* find(std::string_view name) const override {
    for (const auto& entry : tensors)
      if (entry.name == name) return &entry;
    return nullptr;
  }
  [[nodiscard]] SharedBytes bytes(const CheckpointEntry& entry) const override {
    return {.bytes = std::as_bytes(std::span(values.find(entry.name)->second))};
  }
  [[nodiscard]] std::span<const std::filesystem::path> files() const override { return files_; }
  [[nodiscard]] const Json& metadata() const override { return metadata_; }
  [[nodiscard]] std::string_view dialect() const override { return "transformers"; }

 private:
  std::vector<std::filesystem::path> files_ = {"model.safetensors"};
  Json metadata_ = Json::object();
};

std::vector<float> values_of(const CheckpointReader& reader, const CheckpointEntry& entry) {
  std::vector<float> out(static_cast<size_t>(element_count(entry.shape).value()));
  dequantize(entry.dtype, reader.bytes(entry).bytes, out);
  return out;
}

// By the definition of the two orders: in a file the rows of a head alternate between its halves.
std::vector<float> from_file_order(const std::vector<float>& x, size_t rows, size_t heads) {
  std::vector<float> out(x.size());
  const size_t width = x.size() / rows, size = rows / heads;
  for (size_t row = 0; row < rows; ++row) {
    const size_t within = row % size, target = row - within + (within % 2) * (size / 2) + within / 2;
    std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(row * width), width,
                out.begin() + static_cast<std::ptrdiff_t>(target * width));
  }
  return out;
}

std::vector<float> transposed(const std::vector<float>& x, size_t rows) {
  std::vector<float> out;
  for (size_t column = 0; column < x.size() / rows; ++column)
    for (size_t row = 0; row < rows; ++row) out.push_back(x[row * (x.size() / rows) + column]);
  return out;
}

const KeyRule* rule_for(std::span<const KeyRule> rules, std::string_view key, const Json& names) {
  for (const auto& rule : rules)
    if (const auto name = apply_rule(rule, key); name && names.contains(*name)) return &rule;
  return nullptr;
}

// What loading a golden file gives: the names of `names`, the layout of the reference.
ModelReader loaded(const CheckpointReader& file, const Json& config, const Json& names) {
  ModelReader out;
  for (const auto& entry : file.entries()) {
    const auto* rule = rule_for(gguf_rules(file), entry.name, names);
    EXPECT_TRUE(rule) << entry.name;
    auto values = values_of(file, entry);
    auto shape = entry.shape;
    const auto rows = static_cast<size_t>(shape[0]);
    if (rule->op == Op::PermuteRope)
      values = from_file_order(values, rows, static_cast<size_t>(config.at(rule->heads).as_int()));
    if (rule->op == Op::Transpose) {
      values = transposed(values, rows);
      std::swap(shape[0], shape[1]);
    }
    out.add(apply_rule(*rule, entry.name).value(), shape, values);
  }
  return out;
}

TEST(GgufExport, GivesBackTheGoldenFiles) {
  const auto files = Json::parse_file(kData / "gguf/cases.json").at("files");
  const auto target = temporary_file("golden");
  for (const auto& row : files.as_array()) {
    const auto& name = row.at("file").as_string();
    SCOPED_TRACE(name);
    const auto golden = open_checkpoint(kData / "gguf" / name);
    const auto config = gguf_config(*golden, name);
    const auto model = loaded(*golden, config, row.at("tensors"));
    const auto exported = export_gguf(model, config, {}, {.dtype = DataType::F32});
    gguf_format.write(target, exported.entries, exported.metadata);
    const auto written = open_checkpoint(target);
    const auto back = gguf_config(*written, "written");  // also says what the golden file leaves to defaults
    for (const auto& [key, value] : config.as_object()) EXPECT_EQ(back.at(key), value) << key;
    ASSERT_EQ(written->entries().size(), golden->entries().size());
    for (const auto& entry : golden->entries()) {
      const auto* found = written->find(entry.name);
      ASSERT_TRUE(found) << entry.name;
      EXPECT_EQ(found->shape, entry.shape) << entry.name;
      EXPECT_EQ(values_of(*written, *found), values_of(*golden, entry)) << entry.name;
    }
  }
  std::filesystem::remove(target);
}

TEST(GgufExport, StatesTheMetadataOfTheGoldenFiles) {  // made by the gguf package
  for (const char* name : {"llama_f32.gguf", "qwen2.gguf", "qwen3.gguf", "gpt2.gguf", "t5.gguf"}) {
    SCOPED_TRACE(name);
    const auto golden = open_checkpoint(kData / "gguf" / name);
    const auto metadata = gguf_metadata(gguf_config(*golden, name), {});
    for (const auto& [key, value] : golden->metadata().as_object()) {
      if (key.starts_with("tokenizer.ggml") && !key.ends_with("_id")) continue;
      const auto* found = metadata.find(key);
      ASSERT_TRUE(found) << key;
      EXPECT_EQ(*found, value) << key;
    }
  }
}

TEST(GgufExport, ReadsBackTheConfigsOfTheReference) {
  for (const char* name : {"llama", "mistral", "qwen2", "qwen3", "gpt2"}) {
    SCOPED_TRACE(name);
    const std::map<std::string, std::string> classes{{"llama", "LlamaForCausalLM"},
                                                     {"mistral", "MistralForCausalLM"},
                                                     {"qwen2", "Qwen2ForCausalLM"},
                                                     {"qwen3", "Qwen3ForCausalLM"},
                                                     {"gpt2", "GPT2LMHeadModel"}};
    const auto folder = kData / name / "models" / classes.at(name);
    const auto config = Json::parse_file(folder / "config.json");
    const auto source = open_checkpoint(folder / "model.safetensors");
    const auto exported = export_gguf(*source, config, {}, {.dtype = DataType::F32});
    const auto target = temporary_file(name);
    gguf_format.write(target, exported.entries, exported.metadata);
    const auto written = open_checkpoint(target);
    const auto back = gguf_config(*written, name);
    for (const auto& [key, value] : back.as_object()) {
      const auto* stated = config.find(key);
      if (!stated || key == "architectures") continue;
      if (value.is_double() && stated->is_double())
        EXPECT_EQ(static_cast<float>(value.as_double()), static_cast<float>(stated->as_double())) << key;
      else
        EXPECT_EQ(value, *stated) << key;
    }
    EXPECT_EQ(back.at("architectures"), config.at("architectures"));
    EXPECT_EQ(written->entries().size(), source->entries().size());
    for (const auto& entry : source->entries()) EXPECT_TRUE(gguf_target(config, entry.name)) << entry.name;
    std::filesystem::remove(target);
  }
}

Json small_config() {
  return Json::parse(R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64,
    "intermediate_size": 512, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "vocab_size": 8, "hidden_act": "silu",
    "tie_word_embeddings": false, "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}})");
}

std::string refusal(const Json& config, const GgufTokenizerFiles& files = {}) {
  try {
    static_cast<void>(gguf_metadata(config, files));
  } catch (const ValueError& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

TEST(GgufExport, KeepsInFloat32WhatLlamaCppWantsSo) {
  const GgufExportOptions options{.dtype = DataType::Q4_K};
  const auto type = [&](std::string_view name, std::vector<int64_t> shape, bool is_output = false) {
    return gguf_data_type(name, shape, is_output, options);
  };
  EXPECT_EQ(type("blk.0.ffn_up.weight", {16, 512}), DataType::Q4_K);
  EXPECT_EQ(type("blk.0.ffn_up.weight", {16, 96}), DataType::Q5_0) << "rows are no whole blocks of 256";
  EXPECT_EQ(type("blk.0.ffn_up.weight", {16, 20}), DataType::F16) << "nor of 32";
  EXPECT_EQ(type("output.weight", {16, 512}, true), DataType::Q6_K);
  EXPECT_EQ(type("output.weight", {16, 96}, true), DataType::Q8_0);
  EXPECT_EQ(type("blk.0.attn_norm.weight", {512}), DataType::F32);
  EXPECT_EQ(type("blk.0.attn_q.bias", {512}), DataType::F32);
  EXPECT_EQ(type("position_embd.weight", {64, 512}), DataType::F32);
  EXPECT_EQ(type("enc.blk.0.attn_rel_b.weight", {32, 256}), DataType::F32);
  EXPECT_EQ(
      gguf_data_type("output.weight", std::vector<int64_t>{16, 512}, true, {.dtype = DataType::Q4_K, .is_pure = true}),
      DataType::Q4_K);
}

TEST(GgufExport, LeavesOutAnOutputThatIsTheEmbedding) {
  auto config = small_config();
  ModelReader model;
  model.add("model.embed_tokens.weight", {8, 64}, std::vector<float>(512, 0.5F));
  model.add("lm_head.weight", {8, 64}, std::vector<float>(512, 0.5F));
  EXPECT_EQ(export_gguf(model, config, {}).entries.size(), 2U) << "not tied";
  config["tie_word_embeddings"] = true;
  EXPECT_EQ(export_gguf(model, config, {}).entries.size(), 1U);
  model.values.find("lm_head.weight")->second[3] = 1;
  EXPECT_EQ(export_gguf(model, config, {}).entries.size(), 2U) << "the file contradicts the config";
}

TEST(GgufExport, NamesTensorsWithoutAPlace) {
  ModelReader model;
  model.add("model.embed_tokens.weight", {8, 64}, std::vector<float>(512));
  model.add("layers.0.input_layernorm.weight", {64}, std::vector<float>(64));
  model.add("model.layers.0.self_attn.rotary_emb.inv_freq", {8}, std::vector<float>(8));
  EXPECT_EQ(export_gguf(model, small_config(), {}).entries[1].name, "blk.0.attn_norm.weight") << "of a base model";
  model.add("score.weight", {2, 64}, std::vector<float>(128));
  try {
    static_cast<void>(export_gguf(model, small_config(), {}));
    ADD_FAILURE() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("model.safetensors"), HasSubstr("score.weight")));
  }
}

TEST(GgufExport, QuantisesRowsThatChangeTheirOrder) {
  ModelReader model;
  std::vector<float> values(64 * 64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i / 64) + static_cast<float>(i % 64) / 64;
  model.add("model.layers.0.self_attn.q_proj.weight", {64, 64}, values);
  const auto exported = export_gguf(model, small_config(), {}, {.dtype = DataType::Q8_0});
  ASSERT_EQ(exported.entries[0].dtype, DataType::Q8_0);
  const auto data = exported.entries[0].bytes();
  std::vector<float> found(values.size());
  dequantize(DataType::Q8_0, data.bytes, found);
  found = from_file_order(found, 64, 4);
  for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], values[i], 0.3) << i;
}

TEST(GgufExport, ChangesTheTypesOfAGgufFile) {
  const auto source = open_checkpoint(kData / "gguf/llama_f32.gguf");
  const auto exported = export_gguf(*source, {}, {}, {.dtype = DataType::Q8_0});
  EXPECT_EQ(exported.metadata.at("general.file_type"), Json(7));
  EXPECT_EQ(exported.metadata.at("tokenizer.ggml.tokens"), source->metadata().at("tokenizer.ggml.tokens"));
  const auto golden = open_checkpoint(kData / "gguf/llama_q8_0.gguf");
  ASSERT_EQ(exported.entries.size(), golden->entries().size());
  for (const auto& entry : exported.entries) EXPECT_EQ(entry.dtype, golden->find(entry.name)->dtype) << entry.name;
}

TEST(GgufExport, RefusesWhatTheFormatCannotSay) {
  const auto with = [](std::string_view field, const Json& value) {
    auto config = small_config();
    config[field] = value;
    return refusal(config);
  };
  EXPECT_THAT(with("model_type", "bert"), AllOf(HasSubstr("'bert'"), HasSubstr("gpt2, llama, mistral, qwen2")));
  EXPECT_THAT(with("hidden_act", "gelu"), HasSubstr("'hidden_act' is \"gelu\""));
  EXPECT_THAT(with("rms_norm_eps", Json()), HasSubstr("'rms_norm_eps' is missing"));
  EXPECT_THAT(with("vocab_size", -1), HasSubstr("'vocab_size' is -1"));
  EXPECT_THAT(with("num_hidden_layers", "2"), HasSubstr("'num_hidden_layers' is \"2\""));
  EXPECT_THAT(with("rope_parameters", Json::Object{{"rope_type", "dynamic"}, {"factor", 2.0}}), HasSubstr("'dynamic'"));
  EXPECT_THAT(with("rope_parameters", Json::Object{{"rope_type", "yarn"}, {"factor", 2.0}, {"attention_factor", 1.5}}),
              HasSubstr("'attention_factor'"));
  EXPECT_THAT(with("rope_parameters", Json::Object{{"rope_type", "linear"}}), HasSubstr("'factor'"));
  EXPECT_THROW(static_cast<void>(gguf_metadata(small_config(), {}, {.dtype = DataType::IQ4_NL})), ValueError);
}

TEST(GgufExport, RefusesWhatItCouldNotReadBack) {
  for (const auto* field : {"rms_norm_eps", "num_hidden_layers"}) {
    auto config = small_config();
    config[field] = 0;
    EXPECT_THAT(refusal(config), AllOf(HasSubstr(field), HasSubstr("is 0")));
  }
}

// Old settings win over new ones when a model is built, and so they do in a file.
TEST(GgufExport, TakesRopeScalingBeforeRopeParameters) {
  auto config = small_config();
  config["rope_parameters"] = Json::Object{{"rope_type", "default"}, {"rope_theta", 10000.0}};
  config["rope_scaling"] = Json::Object{{"type", "linear"}, {"factor", 3.0}};
  const auto metadata = gguf_metadata(config, {}, {});
  EXPECT_EQ(metadata.at("llama.rope.scaling.type"), Json("linear"));
  EXPECT_EQ(metadata.at("llama.rope.scaling.factor"), Json(3.0));
}

TEST(GgufExport, ScalesPositionsAsTheFileWillBeRead) {
  const auto back = [](const Json& rope) {
    auto config = small_config();
    config["rope_parameters"] = rope;
    ModelReader model;
    model.add("model.embed_tokens.weight", {8, 64}, std::vector<float>(512));
    const auto exported = export_gguf(model, config, {});
    const auto target = temporary_file("rope");
    gguf_format.write(target, exported.entries, exported.metadata);
    const auto reader = open_checkpoint(target);
    std::filesystem::remove(target);
    return gguf_config(*reader, "rope").at("rope_parameters");
  };
  for (const char* same :
       {R"({"rope_type": "default", "rope_theta": 5000.0})",
        R"({"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0})",
        R"({"rope_type": "yarn", "rope_theta": 5000.0, "factor": 4.0, "original_max_position_embeddings": 16,
            "beta_fast": 16.0, "beta_slow": 2.0})"})
    EXPECT_EQ(back(Json::parse(same)), Json::parse(same));
  // Llama 3's recipe comes back as the factors that it gives: none for short wavelengths, all for long ones.
  const auto factors = back(Json::parse(R"({"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64})"));
  EXPECT_EQ(factors.at("rope_type"), Json("longrope"));
  const auto& list = factors.at("long_factor").as_array();
  ASSERT_EQ(list.size(), 8U);
  EXPECT_EQ(list.front(), Json(1.0));
  EXPECT_EQ(list.back(), Json(8.0));
  EXPECT_EQ(back(factors), factors);
}

// Tokenizers.

GgufTokenizerFiles tokenizer_files(std::string_view name) {
  return {.tokenizer = Json::parse_file(kData / "tokenizers" / str(name, ".json"))};
}

Json tokenizer_metadata(const GgufTokenizerFiles& files, int64_t vocab_size = 600) {
  auto config = small_config();
  config["vocab_size"] = vocab_size;
  return gguf_metadata(config, files);
}

TEST(GgufExportTokenizer, RecognisesHowTextIsSplit) {
  const std::pair<const char*, const char*> cases[] = {
      {"gpt2", "gpt-2"}, {"llama3", "llama-bpe"}, {"qwen2", "qwen2"}, {"smollm", "smollm"}, {"gpt4o", "gpt-4o"}};
  for (const auto& [file, pre] : cases) {
    const auto metadata = tokenizer_metadata(tokenizer_files(file));
    EXPECT_EQ(metadata.at("tokenizer.ggml.model"), Json("gpt2"));
    EXPECT_EQ(metadata.at("tokenizer.ggml.pre"), Json(pre)) << file;
  }
  for (const char* file : {"bert-uncased", "metaspace", "clip", "byte-normalized"})
    EXPECT_THROW(static_cast<void>(tokenizer_metadata(tokenizer_files(file))), ValueError) << file;
}

TEST(GgufExportTokenizer, ListsTokensByTheirIds) {
  auto files = tokenizer_files("smollm");
  const auto& vocab = files.tokenizer.at("model").at("vocab");
  const auto metadata = tokenizer_metadata(files);
  const auto& tokens = metadata.at("tokenizer.ggml.tokens").as_array();
  const auto& types = metadata.at("tokenizer.ggml.token_type").as_array();
  ASSERT_EQ(tokens.size(), 600U);
  ASSERT_EQ(types.size(), 600U);
  for (const auto& [text, id] : vocab.as_object()) EXPECT_EQ(tokens[static_cast<size_t>(id.as_int())], Json(text));
  EXPECT_EQ(types[0], Json(3)) << "special";
  EXPECT_EQ(tokens[599], Json("[PAD599]"));
  EXPECT_EQ(types[599], Json(5)) << "a row of the embedding without a token";
  EXPECT_EQ(metadata.at("tokenizer.ggml.merges").size(), files.tokenizer.at("model").at("merges").size());
  EXPECT_EQ(metadata.at("tokenizer.ggml.merges").as_array()[0], Json("Ġ t"));
}

TEST(GgufExportTokenizer, StatesSpecialTokensEndsAndTemplates) {
  auto files = tokenizer_files("smollm");
  files.config = Json::parse(R"({"bos_token": {"content": "<|im_start|>"}, "eos_token": "<|endoftext|>",
      "chat_template": [{"name": "default", "template": "A"}, {"name": "tools", "template": "B"}]})");
  files.special_tokens = Json::parse(R"({"pad_token": "<|endoftext|>", "eos_token": "<|im_start|>"})");
  auto metadata = tokenizer_metadata(files);
  EXPECT_EQ(metadata.at("tokenizer.ggml.bos_token_id"), Json(1));
  EXPECT_EQ(metadata.at("tokenizer.ggml.eos_token_id"), Json(0)) << "tokenizer_config.json comes first";
  EXPECT_EQ(metadata.at("tokenizer.ggml.padding_token_id"), Json(0));
  EXPECT_EQ(metadata.at("tokenizer.ggml.add_bos_token"), Json(false));
  EXPECT_EQ(metadata.at("tokenizer.chat_template"), Json("A"));
  EXPECT_EQ(metadata.at("tokenizer.chat_template.tools"), Json("B"));
  EXPECT_EQ(metadata.at("tokenizer.chat_templates"), Json(Json::Array{"tools"}));
  files.config["add_bos_token"] = true;
  files.chat_template = "C";
  metadata = tokenizer_metadata(files);
  EXPECT_EQ(metadata.at("tokenizer.ggml.add_bos_token"), Json(true));
  EXPECT_EQ(metadata.at("tokenizer.chat_template"), Json("C"));
  EXPECT_EQ(tokenizer_metadata(tokenizer_files("llama3")).at("tokenizer.ggml.add_bos_token"), Json(true))
      << "by the template of tokenizer.json";
}

TEST(GgufExportTokenizer, RefusesWhatItCannotWrite) {
  const auto refused = [](const std::function<void(Json&)>& change, int64_t vocab_size = 600) {
    auto files = tokenizer_files("smollm");
    change(files.tokenizer);
    auto config = small_config();
    config["vocab_size"] = vocab_size;
    return refusal(config, files);
  };
  EXPECT_THAT(refused([](Json&) {}, 8), HasSubstr("the model has 8 tokens"));
  EXPECT_THAT(refused([](Json&) {}, int64_t{1} << 40), HasSubstr("larger than"));
  EXPECT_THAT(refused([](Json& t) { t["model"]["vocab"]["twice"] = 0; }), HasSubstr("share the id 0"));
  EXPECT_THAT(refused([](Json& t) { t["model"]["vocab"]["text"] = "0"; }), HasSubstr("'text'"));
  EXPECT_THAT(refused([](Json& t) { t["model"]["type"] = "Unigram"; }), HasSubstr("'Unigram'"));
  EXPECT_THAT(refused([](Json& t) {
                t["normalizer"] = Json::Object{{"type", "Lowercase"}};
              }),
              HasSubstr("'Lowercase'"));
  EXPECT_THAT(refused([](Json& t) { t["model"]["merges"] = Json::Array{"a b c"}; }), HasSubstr("'a b c'"));
  EXPECT_THAT(refused([](Json& t) { t["pre_tokenizer"] = Json(); }), HasSubstr("byte-level"));
  EXPECT_THAT(
      refused([](Json& t) { t["pre_tokenizer"].as_object()[1].second.as_array()[0]["individual_digits"] = false; }),
      HasSubstr("'tokenizer.ggml.pre'"));
}

}  // namespace
}  // namespace transformers
