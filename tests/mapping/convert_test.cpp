#include "transformers/mapping/convert.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include "scratch_folder.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/dtypes/quants.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Values;
using testing::values_of;

const fs::path kData = TRANSFORMERS_TEST_DATA;

struct Convert : testing::ScratchFolder {};

std::string refusal(const fs::path& source, const fs::path& destination, const ConvertOptions& options) {
  try {
    (void)convert_checkpoint(source, destination, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct Pair {
  const char *model, *from, *to;
};

// What the reference's frameworks and llama.cpp have of each model.
std::vector<Pair> pairs() {
  std::vector<Pair> out;
  for (const char* model : {"bert", "gpt2", "t5", "llama"})
    for (const char* from : {"pytorch", "tf", "tf_sharded", "flax", "flax_sharded"})
      for (const char* to : {"safetensors", "pt", "tf", "flax", "gguf"}) {
        const bool is_missing = (std::string_view(model) == "llama" && std::string_view(to) == "tf") ||
                                (std::string_view(model) == "bert" && std::string_view(to) == "gguf");
        const bool is_cut = std::string_view(from).ends_with("sharded") && std::string_view(to) != "safetensors";
        if (!is_missing && !is_cut && fs::exists(kData / "formats" / model / from)) out.push_back({model, from, to});
      }
  return out;
}

TEST_F(Convert, KeepsEveryValueFromAnyFormatToAnyOther) {  // T11, F21, F22
  ASSERT_GT(pairs().size(), 50U);
  for (const auto& [model, from, to] : pairs()) {
    const auto there = at(str(model, "-", from, "-", to)), back = at(str(model, "-", from, "-", to, "-back"));
    const auto source = kData / "formats" / model / from;
    (void)convert_checkpoint(
        source, there,
        {.to = to, .dtype = std::string_view(to) == "gguf" ? std::optional<std::string>("float32") : std::nullopt});
    (void)convert_checkpoint(there, back, {.to = "safetensors"});
    EXPECT_EQ(values_of(back), values_of(kData / "formats" / model / "pytorch")) << model << " " << from << " " << to;
  }
}

TEST_F(Convert, WritesTheBytesThatTheFrameworksWrite) {
  for (const char* model : {"bert", "gpt2", "t5", "llama"}) {
    const auto source = kData / "formats" / model;
    for (const auto& [to, name] : {std::pair("flax", "flax"), std::pair("tf", "tf")}) {
      if (!fs::exists(source / name)) continue;
      (void)convert_checkpoint(source / "pytorch", at(str(model, to)), {.to = to});
      EXPECT_EQ(values_of(at(str(model, to))), values_of(source / name)) << model << " " << to;
    }
  }
}

TEST_F(Convert, CutsShardsAsEachFrameworkDoes) {  // S03, S04, S06, S10
  const auto source = kData / "formats/gpt2/pytorch";
  const auto largest = int64_t{53} * 16 * 4;
  for (const auto& [to, stem, extension] :
       {std::tuple("safetensors", "model", ".safetensors"), std::tuple("pt", "pytorch_model", ".bin"),
        std::tuple("tf", "tf_model", ".h5"), std::tuple("flax", "flax_model", ".msgpack")}) {
    const auto target = at(to);
    auto report = convert_checkpoint(source, target, {.to = to, .max_shard_size = "4KB"});
    EXPECT_GT(report.files.size(), 5U) << to;
    EXPECT_EQ(report.files[0],
              str(stem, "-00001-of-000", report.files.size() < 10 ? "0" : "", report.files.size(), extension));
    const auto index = Json::parse_file(target / str(stem, extension, ".index.json"));
    EXPECT_EQ(index.at("metadata").at("total_size"), Json(report.bytes)) << to;
    EXPECT_EQ(index.at("metadata").contains("total_parameters"),
              std::string_view(to) == "pt" || std::string_view(to) == "safetensors");
    for (const auto& file : report.files)
      EXPECT_LT(fs::file_size(target / file), static_cast<uint64_t>(largest) + 8192);
    (void)convert_checkpoint(target, at("back"), {.to = "safetensors"});
    EXPECT_EQ(values_of(at("back")), values_of(source)) << to;
    // Fewer shards over more, then one file: nothing stale is left.
    report = convert_checkpoint(source, target, {.to = to});
    EXPECT_THAT(names_in(target), ElementsAre("config.json", str(stem, extension)));
  }
}

TEST_F(Convert, CastsFloatsAndSaysSoInTheConfig) {
  const auto source = kData / "llama/models/LlamaForCausalLM";
  for (const auto& [name, type] : {std::pair("float16", DataType::F16), std::pair("bfloat16", DataType::BF16)}) {
    const auto report = convert_checkpoint(source, at(name), {.dtype = name, .measure_error = true});
    const auto reader = open_checkpoint(at(name) / "model.safetensors");
    for (const auto& entry : reader->entries()) EXPECT_EQ(entry.dtype, type);
    EXPECT_EQ(Json::parse_file(at(name) / "config.json").at("dtype"), Json(name));
    EXPECT_EQ(report.bytes * 2, report.source_bytes);
    EXPECT_GT(report.error, 1e-5);
    EXPECT_LT(report.error, 1e-2);
  }
}

// A checkpoint of a float matrix, a float vector and integers.
void write_small(const fs::path& folder, const std::string& config) {
  fs::create_directories(folder);
  if (!config.empty()) std::ofstream(folder / "config.json") << config;
  static const std::vector<float> floats{1, -2, 3, -4, 0.5, 127, 0, 0, 0};
  static const std::vector<int64_t> integers{1, 2, 300};
  const auto bytes = [](auto span) { return [span] { return SharedBytes{std::as_bytes(span), nullptr}; }; };
  const CheckpointWriteEntry entries[] = {
      {.name = "matrix", .shape = {3, 3}, .bytes = bytes(std::span<const float>(floats))},
      {.name = "vector", .shape = {2}, .bytes = bytes(std::span<const float>(floats).first(2))},
      {.name = "integers", .dtype = DataType::I64, .shape = {3}, .bytes = bytes(std::span<const int64_t>(integers))}};
  write_safetensors(folder / "model.safetensors", entries, Json(Json::Object{{"format", "pt"}}));
}

TEST_F(Convert, NeverCastsIntegers) {
  write_small(at("source"), "");
  (void)convert_checkpoint(at("source"), at("out"), {.to = "pt", .dtype = "float16"});
  const auto before = values_of(at("source")), after = values_of(at("out"));
  EXPECT_EQ(after.at("integers"), before.at("integers"));
  EXPECT_EQ(after.at("vector").second, std::string("\x00\x3c\x00\xc0", 4));
}

TEST_F(Convert, QuantisesRowsToInt8AndStatesIt) {
  write_small(at("source"), R"({"model_type": "llama"})");
  const auto report = convert_checkpoint(at("source"), at("out"), {.quantize = "int8", .measure_error = true});
  const auto after = values_of(at("out"));
  const std::string scale = after.at("matrix_scale").second;
  float scales[3];
  ASSERT_EQ(scale.size(), sizeof scales);
  std::memcpy(scales, scale.data(), sizeof scales);
  EXPECT_EQ(scales[0], 3.0F / 127);
  EXPECT_EQ(scales[1], 1.0F);
  EXPECT_EQ(scales[2], 0.0F);
  const auto& values = after.at("matrix").second;
  const int expected[] = {42, -85, 127, -4, 0, 127, 0, 0, 0};  // nearest, halves to even
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(static_cast<signed char>(values[i]), expected[i]) << i;
  EXPECT_EQ(after.at("vector"), values_of(at("source")).at("vector"));
  EXPECT_EQ(open_checkpoint(at("out") / "model.safetensors")->metadata().at("format"), Json("transformers.cpp-int8"));
  EXPECT_EQ(Json::parse_file(at("out") / "config.json").at("quantization_config").at("quant_method"),
            Json("transformers.cpp-int8"));
  EXPECT_NEAR(report.error, 0.5 / std::sqrt(1 + 4 + 9 + 16 + 0.25 + 127 * 127), 1e-4);
}

TEST_F(Convert, QuantisesToGgufAndBack) {
  const auto source = kData / "gguf/llama_f32.gguf";
  const auto before = values_of(source);
  for (const auto type : gguf_quantize_types()) {
    const auto file = at(str(type, ".gguf"));
    const auto report =
        convert_checkpoint(source, file, {.to = "gguf", .quantize = std::string(type), .measure_error = true});
    EXPECT_GT(report.error, 0) << type;
    EXPECT_LT(report.error, 0.4) << type;
    EXPECT_LT(report.bytes, report.source_bytes) << type;
    (void)convert_checkpoint(file, at(str(type)), {.to = "safetensors"});
    const auto reader = open_checkpoint(at(str(type)) / "model.safetensors");
    for (const auto& entry : reader->entries()) EXPECT_EQ(entry.dtype, DataType::F32);
    EXPECT_EQ(reader->entries().size(), before.size()) << type;
  }
}

TEST_F(Convert, CopiesGgufWithoutAChange) {
  (void)convert_checkpoint(kData / "gguf/llama_k.gguf", at("copy.gguf"), {.to = "gguf"});
  EXPECT_EQ(values_of(at("copy.gguf")), values_of(kData / "gguf/llama_k.gguf"));
}

TEST_F(Convert, MakesAConfigFromGguf) {
  (void)convert_checkpoint(kData / "gguf/qwen3.gguf", at("out"), {.to = "safetensors"});
  const auto config = Json::parse_file(at("out") / "config.json");
  EXPECT_EQ(config.at("architectures"), Json(Json::Array{"Qwen3ForCausalLM"}));
  EXPECT_EQ(config.at("dtype"), Json("float32"));
}

TEST_F(Convert, HoldsTiedWeightsOnceOrAsAliases) {  // S09
  const auto source = kData / "formats/gpt2/pytorch";
  const auto reader = open_checkpoint(source / "model.safetensors");
  std::vector<CheckpointWriteEntry> entries;
  for (const auto& entry : reader->entries())
    entries.push_back({entry.name, entry.dtype, entry.shape, [&reader, &entry] { return reader->bytes(entry); }});
  const auto* wte = reader->find("transformer.wte.weight");
  entries.push_back({"lm_head.weight", wte->dtype, wte->shape, [&] { return reader->bytes(*wte); }, wte->name});
  const auto write_with = [&](const char* folder, const Json& tie) {
    fs::create_directories(at(folder));
    auto config = Json::parse_file(source / "config.json");
    config["tie_word_embeddings"] = tie;
    std::ofstream(at(folder) / "config.json") << config.dump();
    checkpoint_formats()[3]->write(at(folder) / "pytorch_model.bin", entries, Json::object());
  };
  ASSERT_EQ(checkpoint_formats()[3]->name, "pytorch");
  write_with("tied", true);
  write_with("untied", false);
  const auto report = convert_checkpoint(at("tied"), at("once"), {.to = "safetensors"});
  EXPECT_THAT(report.dropped, ElementsAre("lm_head.weight"));
  EXPECT_EQ(values_of(at("once")), values_of(source));
  (void)convert_checkpoint(at("untied"), at("twice"), {.to = "safetensors"});
  EXPECT_EQ(values_of(at("twice")), values_of(at("untied"))) << "the config contradicts: both stay";
  (void)convert_checkpoint(at("tied"), at("again"), {.to = "pt"});
  EXPECT_EQ(values_of(at("again")), values_of(at("tied")));
  const auto again = open_checkpoint(at("again") / "pytorch_model.bin");
  EXPECT_EQ(again->find("lm_head.weight")->offset, again->find("transformer.wte.weight")->offset);
  for (const char* to : {"tf", "flax", "gguf"})
    EXPECT_EQ(convert_checkpoint(at("tied"), at(to), {.to = to}).tensors.size(), reader->entries().size()) << to;
}

TEST_F(Convert, RefusesWhatItCannotKeep) {
  const auto bert = kData / "formats/bert/pytorch", llama = kData / "formats/llama/pytorch";
  EXPECT_THAT(refusal(llama, at("a"), {.to = "tf"}), AllOf(HasSubstr("'llama'"), HasSubstr("bert")));
  EXPECT_THAT(refusal(bert, at("a"), {.to = "gguf"}), HasSubstr("'bert'"));
  EXPECT_THAT(refusal(bert, at("a"), {.to = "onnx"}), HasSubstr("flax, gguf, pt, safetensors, tf"));
  EXPECT_THAT(refusal(bert, at("a"), {.quantize = "q8_0"}), AllOf(HasSubstr("'q8_0'"), HasSubstr("int8")));
  EXPECT_THAT(refusal(llama, at("a"), {.to = "gguf", .quantize = "iq4_nl"}), HasSubstr("'iq4_nl'"));
  EXPECT_THAT(refusal(bert, at("a"), {.dtype = "int8"}), HasSubstr("'int8'"));
  EXPECT_THAT(refusal(bert, at("a"), {.dtype = "float16", .quantize = "int8"}), HasSubstr("exclude"));
  EXPECT_THAT(refusal(llama, at("a"), {.to = "gguf", .max_shard_size = "1MB"}), HasSubstr("shards"));
  EXPECT_THAT(refusal(bert, at("a"), {.max_shard_size = "1 furlong"}), HasSubstr("furlong"));
  EXPECT_THAT(refusal(at("nothing"), at("a"), {}), HasSubstr("nothing"));
  EXPECT_THAT(refusal(bert, at("a"), {.to = "tf", .dtype = "bfloat16"}), HasSubstr("bfloat16"));
  // A tensor that no rule knows, and a missing config.
  write_small(at("odd"), read_text(bert / "config.json"));
  EXPECT_THAT(refusal(at("odd"), at("a"), {.to = "flax"}), AllOf(HasSubstr("matrix"), HasSubstr("integers")));
  fs::remove(at("odd") / "config.json");
  EXPECT_THAT(refusal(at("odd"), at("a"), {.to = "flax"}), HasSubstr("config.json"));
  EXPECT_FALSE(fs::exists(at("a"))) << "nothing is left of a conversion that failed";
  EXPECT_THAT(names_in(folder_), ElementsAre("odd"));
}

TEST_F(Convert, ANameOfAnotherFormatIsNotMadeAFolder) {
  const auto bert = kData / "formats" / "bert" / "pytorch";
  EXPECT_THAT(refusal(bert, at("a.gguf"), {}), HasSubstr("gguf"));
  EXPECT_THAT(refusal(bert, at("a.bin"), {}), HasSubstr("pytorch"));
  EXPECT_THAT(refusal(bert, at("a.pt"), {.to = "flax"}), HasSubstr("pytorch"));
  EXPECT_FALSE(fs::exists(at("a.gguf")) || fs::exists(at("a.bin")) || fs::exists(at("a.pt")));
  EXPECT_EQ(refusal(bert, at("a.pt"), {.to = "pt"}), "");
  EXPECT_TRUE(fs::is_regular_file(at("a.pt")));
  EXPECT_EQ(refusal(bert, at("version-1.5"), {}), "");
  EXPECT_TRUE(fs::is_directory(at("version-1.5")));
}

TEST_F(Convert, TakesNoAdapterForAModel) {
  EXPECT_THAT(refusal(kData / "adapters" / "list", at("a"), {}), HasSubstr("holds an adapter"));
  EXPECT_FALSE(fs::exists(at("a")));
}

TEST_F(Convert, KeepsWhatLiesInTheDestination) {  // V17
  const auto source = kData / "formats/bert/pytorch";
  (void)convert_checkpoint(source, at("out"), {.to = "safetensors"});
  (void)convert_checkpoint(source, at("out"), {.dtype = "float16", .variant = "fp16"});
  EXPECT_THAT(names_in(at("out")), ElementsAre("config.json", "model.fp16.safetensors", "model.safetensors"));
  const auto before = values_of(at("out"));
  EXPECT_THAT(refusal(at("out"), at("out"), {.to = "pt"}), HasSubstr("model.safetensors"));
  EXPECT_THAT(refusal(kData / "formats/bert/flax", at("out"), {.to = "tf"}), HasSubstr("another format"));
  EXPECT_EQ(values_of(at("out")), before);
  // Onto the files that are being read.
  (void)convert_checkpoint(at("out"), at("out"), {.dtype = "bfloat16"});
  EXPECT_EQ(open_checkpoint(at("out") / "model.safetensors")->entries()[0].dtype, DataType::BF16);
}

// The activation of a gated T5 and outputs that are not scaled come back from a GGUF file.
TEST_F(Convert, KeepsTheConfigOfT5InGguf) {
  const auto source = kData / "t5/models/T5ForConditionalGeneration_v1_1";
  fs::copy(source, at("source"), fs::copy_options::recursive);
  auto config = Json::parse_file(at("source") / "config.json");
  config["relative_attention_max_distance"] = 128;
  const auto back = [&](const char* name) {
    write_text_atomic(at("source") / "config.json", config.dump());
    (void)convert_checkpoint(at("source"), at(name) / "t5.gguf", {.to = "gguf"});
    (void)convert_checkpoint(at(name) / "t5.gguf", at(name) / "back", {.to = "safetensors"});
    return Json::parse_file(at(name) / "back/config.json");
  };
  fs::create_directories(at("gated"));
  EXPECT_EQ(back("gated").at("feed_forward_proj"), Json("gated-gelu"));
  const auto plain = kData / "t5/models/T5ForConditionalGeneration";
  fs::remove_all(at("source"));
  fs::copy(plain, at("source"), fs::copy_options::recursive);
  config = Json::parse_file(at("source") / "config.json");
  config["relative_attention_max_distance"] = 128;
  config["scale_decoder_outputs"] = false;
  fs::create_directories(at("unscaled"));
  EXPECT_EQ(back("unscaled").at("tie_word_embeddings"), Json(false)) << "which means the same without scaling";
}

TEST_F(Convert, TellsWhichValuesBecomeInfinite) {
  const auto file = at("model.safetensors");
  const std::vector<float> values{1.0F, 1e6F, -1e6F, 65504.0F};
  const CheckpointWriteEntry entry{.name = "a.weight", .shape = {4}, .bytes = [&] {
                                     return SharedBytes{.bytes = std::as_bytes(std::span(values)), .owner = {}};
                                   }};
  write_safetensors(file, {&entry, 1});
  const logging::Capture log;
  (void)convert_checkpoint(file, at("half.safetensors"), {.dtype = "float16"});
  ASSERT_EQ(log.records().size(), 1U);
  EXPECT_THAT(log.records()[0].text, AllOf(HasSubstr("a.weight"), HasSubstr("2 values"), HasSubstr("float16")));
  (void)convert_checkpoint(file, at("wide.safetensors"), {.dtype = "bfloat16"});
  EXPECT_EQ(log.records().size(), 1U);
}

TEST_F(Convert, CarriesTheModulesOfSentenceEmbeddingsOver) {
  std::filesystem::copy(kData / "formats/bert/pytorch", at("source"), std::filesystem::copy_options::recursive);
  std::filesystem::create_directories(at("source") / "1_Pooling");
  write_text_atomic(at("source") / "1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
  write_text_atomic(at("source") / "modules.json", R"([{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}])");
  (void)convert_checkpoint(at("source"), at("out"), {.to = "pt"});
  EXPECT_EQ(read_text(at("out") / "modules.json"), read_text(at("source") / "modules.json"));
  EXPECT_EQ(read_text(at("out") / "1_Pooling/config.json"), R"({"pooling_mode_cls_token": true})");
  std::filesystem::create_directories(at("source") / "deep/er");
  write_text_atomic(at("source") / "deep/er/config.json", "{}");
  write_text_atomic(at("source") / "modules.json", R"([{"path": "1_Pooling/"}, {"path": "deep/er"}])");
  (void)convert_checkpoint(at("source"), at("deeper"), {.to = "pt"});
  EXPECT_TRUE(fs::exists(at("deeper") / "1_Pooling/config.json") && fs::exists(at("deeper") / "deep/er/config.json"));
  fs::resize_file(at("source") / "deep/er/config.json", 300 << 20);
  EXPECT_THROW((void)convert_checkpoint(at("source"), at("refused"), {.to = "pt"}), OSError);
  write_text_atomic(at("source") / "modules.json", R"([{"path": ".."}])");
  EXPECT_THROW((void)convert_checkpoint(at("source"), at("refused"), {.to = "pt"}), ValueError);
}

TEST_F(Convert, CarriesTheTokenizerOver) {
  fs::copy(kData / "formats/bert/pytorch", at("source"));
  for (const char* name : {"tokenizer.json", "vocab.txt", "generation_config.json", "optimizer.bin"})
    std::ofstream(at("source") / name) << "{}";
  (void)convert_checkpoint(at("source"), at("out"), {.to = "flax"});
  EXPECT_THAT(names_in(at("out")), ElementsAre("config.json", "flax_model.msgpack", "generation_config.json",
                                               "tokenizer.json", "vocab.txt"));
}

// Runs the converter in a process of its own; its exit code, -1 when it was killed, and its peak memory.
struct Outcome {
  int result = 0;
  int64_t peak_bytes = 0;
};
Outcome run_apart(const fs::path& source, const fs::path& target, const std::string& to,
                  std::vector<std::string> environment) {
  std::vector<char*> variables;
  for (auto& variable : environment) variables.push_back(variable.data());
  variables.push_back(nullptr);
  std::string program = TRANSFORMERS_CONVERT_VICTIM, from = source, into = target, format = to;
  char* arguments[] = {program.data(), from.data(), into.data(), format.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int status = 0;
  rusage usage{};
  EXPECT_EQ(::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, variables.data()), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::wait4(child, &status, 0, &usage);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, int64_t{usage.ru_maxrss} * 1024};
}

TEST_F(Convert, LeavesAllOrNothingWhereverItIsStopped) {
  write_small(at("source"), R"({"model_type": "llama"})");
  const auto expected = values_of(at("source"));
  for (const char* mode : {"kill", "error", "full"}) {
    int step = 1;
    for (; step < 400; ++step) {
      fs::remove_all(at("out"));
      const auto outcome =
          run_apart(at("source"), at("out"), "safetensors",
                    {str("LD_PRELOAD=", TRANSFORMERS_FILE_FAULTS), str("FAULT_AT=", step), str("FAULT_MODE=", mode),
                     str("FAULT_UNDER=", folder_.native()), "ASAN_OPTIONS=verify_asan_link_order=0"});
      if (fs::exists(at("out")))
        EXPECT_EQ(values_of(at("out")), expected) << mode << " at step " << step;
      else
        EXPECT_NE(outcome.result, 0) << mode << " at step " << step;
      if (outcome.result == 0 && std::string_view(mode) == "kill") break;
      if (outcome.result == 0 && step > 40) break;
    }
    EXPECT_GT(step, 15) << mode;
    EXPECT_LT(step, 400) << mode;
    (void)convert_checkpoint(at("source"), at("out"), {.to = "safetensors", .max_shard_size = 40});
    EXPECT_EQ(values_of(at("out")), expected) << "after " << mode;
  }
}

TEST_F(Convert, KeepsOneTensorInMemory) {
  constexpr int64_t kRows = 25, kColumns = 1 << 20, kTensors = 6;  // 100 MiB each
  auto data = std::make_shared<std::vector<float>>(static_cast<size_t>(kRows * kColumns));
  uint32_t state = 1;
  for (auto& value : *data) value = static_cast<float>(state = state * 1664525 + 1013904223);
  std::vector<CheckpointWriteEntry> entries;
  for (int64_t i = 0; i < kTensors; ++i)
    entries.push_back({.name = str("t", i), .shape = {kRows, kColumns}, .bytes = [data] {
                         return SharedBytes{std::as_bytes(std::span(*data)), data};
                       }});
  fs::create_directories(at("source"));
  write_safetensors(at("source") / "model.safetensors", entries, Json(Json::Object{{"format", "pt"}}));
  const auto outcome = run_apart(at("source"), at("out"), "pt", {});
  EXPECT_EQ(outcome.result, 0);
  EXPECT_LT(outcome.peak_bytes, int64_t{400} << 20);
}

}  // namespace
}  // namespace transformers
