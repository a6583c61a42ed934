// The commands that write checkpoints, and what inspect says of every format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "program.h"
#include "transformers/base/json.h"
#include "transformers/base/strings.h"

namespace transformers::cli_tests {

namespace fs = std::filesystem;

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

}  // namespace

TEST(ConvertCommand, GoesThroughEveryFormatAndBack) {
  const TemporaryFolder folder;
  std::string from = test_data("formats/gpt2/pytorch");
  const auto first = run_program({"inspect", from, "--json"});
  for (const std::string to : {"pt", "tf", "flax", "gguf", "safetensors"}) {
    const std::vector<std::string> words{"convert", from, folder.file(to), "--to", to, "--json", "--quiet"};
    const auto run = run_program(words);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const auto report = Json::parse(run.out);
    EXPECT_EQ(report.at("files").size(), 1u);
    EXPECT_TRUE(fs::exists(report.at("files").as_array()[0].as_string()));
    EXPECT_EQ(report.at("num_tensors"), Json(28));
    from = folder.file(to);
    const auto inspected = run_program({"inspect", from, "--json", "--verify"});
    ASSERT_EQ(inspected.exit_code, 0) << to << inspected.out << inspected.err;
    EXPECT_EQ(Json::parse(inspected.out).at("num_parameters"), Json::parse(first.out).at("num_parameters")) << to;
    EXPECT_EQ(Json::parse(inspected.out).at("findings").size(), 0u) << to;
  }
  EXPECT_EQ(Json::parse(run_program({"inspect", from, "--json"}).out).at("tensors"),
            Json::parse(first.out).at("tensors"));
}

TEST(ConvertCommand, TellsWrongWordsFromWorkThatFailed) {
  const TemporaryFolder folder;
  const std::string source = test_data("formats/bert/pytorch"), target = folder.file("out");
  for (const auto& words : {std::vector<std::string>{"convert", source, target},
                            {"convert", source, target, "--to", "onnx"},
                            {"convert", source, "--to", "pt"},
                            {"convert", source, target, "--to", "pt", "--dtype", "int8"},
                            {"convert", source, target, "--to", "gguf", "--dtype", "float16", "--quantize", "q8_0"},
                            {"quantize", source, target},
                            {"quantize", source, source, "--type", "int8"},
                            {"quantize", source, source, "--type", "q8_0"},
                            {"quantize", source, source + "/model.safetensors", "--type", "int8"},
                            {"quantize", source + "/model.safetensors", source, "--type", "int8"},
                            {"quantize", source, target, "--type", "q9_9"},
                            {"quantize", source, target, "--type", "q8_0", "--max-shard-size", "1GB"},
                            {"quantize", source, target, "--type", "int8", "--max-shard-size", "0"},
                            {"convert", source, target, "--to", "pt", "--max-shard-size", "many"},
                            {"convert", source, target, "--to", "pt", "--tf-format", "bundle"},
                            {"convert", source, target, "--to", "tf", "--tf-format", "npz"},
                            {"convert", source, target, "--to", "pt", "--quantize", "q8_0"},
                            {"convert", source, target, "--to", "gguf", "--max-shard-size", "1GB"},
                            {"convert", source, target + ".safetensors", "--to", "safetensors", "--variant", "x"}})
    EXPECT_EQ(run_program(words).exit_code, 2) << words.back();
  for (const auto& words : {std::vector<std::string>{"convert", source, target, "--to", "gguf"},
                            {"convert", folder.file("absent"), target, "--to", "pt"}}) {
    const auto run = run_program(words);
    EXPECT_EQ(run.exit_code, 1) << words.back();
    EXPECT_THAT(run.err, HasSubstr("error: "));
  }
  EXPECT_FALSE(fs::exists(target));
}

TEST(QuantizeCommand, PrintsSizesAndErrors) {
  const TemporaryFolder folder;
  const std::string source = test_data("gguf/llama_f32.gguf");
  const auto run = run_program({"quantize", source, folder.file("q8.gguf"), "--type", "q8_0", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto report = Json::parse(run.out);
  EXPECT_LT(report.at("total_size").as_int(), report.at("source_size").as_int() / 2);
  EXPECT_GT(report.at("error").as_double(), 1e-4);
  EXPECT_LT(report.at("error").as_double(), 1e-2);
  EXPECT_EQ(report.at("tensors").at("blk.0.ffn_up.weight").at("dtype"), Json("q8_0"));
  EXPECT_EQ(report.at("tensors").at("output_norm.weight").at("error"), Json(0.0));
  const auto table = run_program({"quantize", source, folder.file("q4.gguf"), "--type", "q4_0"});
  EXPECT_THAT(table.out, AllOf(HasSubstr("float32 -> q4_0"), HasSubstr("error"), HasSubstr(folder.file("q4.gguf"))));
}

TEST(QuantizeCommand, WritesInt8ThatNobodyTakesForSomethingElse) {
  const TemporaryFolder folder;
  const auto target = folder.file("int8");
  ASSERT_EQ(run_program({"quantize", test_data("llama/models/LlamaForCausalLM"), target, "--type", "int8"}).exit_code,
            0);
  const auto inspected = Json::parse(run_program({"inspect", target, "--json"}).out);
  EXPECT_EQ(inspected.at("tensors").at("lm_head.weight").at("dtype"), Json("int8"));
  EXPECT_EQ(inspected.at("tensors").at("lm_head.weight_scale").at("dtype"), Json("float32"));
  const auto run = run_program({"generate", target, "--input-ids", "1,2", "--max-new-tokens", "1"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "") << "nothing is to be said of it";
  EXPECT_EQ(run_program({"convert", target, folder.file("back"), "--to", "pt"}).exit_code, 0);
}

TEST(ConvertCommand, WritesBothFormsOfTensorFlow) {
  const TemporaryFolder folder;
  const std::string source = test_data("formats/bert/pytorch");
  ASSERT_EQ(run_program({"convert", source, folder.file("h5"), "--to", "tf"}).exit_code, 0);
  EXPECT_TRUE(fs::exists(folder.file("h5/tf_model.h5")));
  const auto run =
      run_program({"convert", source, folder.file("bundle"), "--to", "tf", "--tf-format", "bundle", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Json::parse(run.out).at("files").size(), 2U);
  EXPECT_TRUE(fs::exists(folder.file("bundle/model.ckpt.index")));
}

// Whenever the signal comes: before the work, in its middle, or when everything is written.
TEST(ConvertCommand, LeavesNothingHalfDoneWhenInterrupted) {
  const TemporaryFolder folder;
  constexpr int kTensors = 64;
  constexpr int64_t kBytes = int64_t{32} << 20;
  Json header = Json::object();
  for (int i = 0; i < kTensors; ++i)
    header[str("w", i)] = Json(Json::Object{{"dtype", "F32"},
                                            {"shape", Json(Json::Array{kBytes / 4})},
                                            {"data_offsets", Json(Json::Array{i * kBytes, (i + 1) * kBytes})}});
  auto text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string start(8, '\0');
  for (int i = 0; i < 8; ++i) start[static_cast<size_t>(i)] = static_cast<char>(text.size() >> (8 * i));
  const auto source = folder.file("big.safetensors");
  std::ofstream(source, std::ios::binary) << start << text;
  fs::resize_file(source, start.size() + text.size() + static_cast<uint64_t>(kTensors * kBytes));  // a hole, no data
  for (const auto& [name, code] : {std::pair("INT", 130), std::pair("TERM", 143)}) {
    const auto run = run_command({"timeout", "--preserve-status", "-s", name, "0.4", TRANSFORMERS_PROGRAM, "convert",
                                  source, folder.file("out"), "--to", "pt"});
    EXPECT_EQ(run.exit_code, code) << run.err;
    std::vector<std::string> left;
    for (const auto& entry : fs::directory_iterator(folder.path())) left.push_back(entry.path().filename());
    EXPECT_THAT(left, ::testing::ElementsAre("big.safetensors"));
  }
}

TEST(Inspect, ReadsEveryFormat) {
  const std::pair<const char*, const char*> cases[] = {
      {"formats/bert/tf", "tf_bert_for_pre_training/bert/embeddings/word_embeddings/weight:0"},
      {"formats/bert/tf_sharded", "tf_bert_for_pre_training/bert/embeddings/word_embeddings/weight:0"},
      {"formats/bert/flax", "bert.embeddings.word_embeddings.embedding"},
      {"formats/bert/flax_sharded", "bert.embeddings.word_embeddings.embedding"},
      {"formats/bert/flax/flax_model.msgpack", "bert.embeddings.word_embeddings.embedding"},
  };
  for (const auto& [path, name] : cases) {
    const auto run = run_program({"inspect", test_data(path), "--json", "--verify"});
    ASSERT_EQ(run.exit_code, 0) << path << run.err << run.out;
    const auto report = Json::parse(run.out);
    EXPECT_TRUE(report.at("tensors").contains(name)) << path;
    EXPECT_EQ(report.at("config").at("model_type"), Json("bert"));
    EXPECT_EQ(report.at("total_size"), Json(7772)) << path;
  }
}

TEST(Inspect, VerifiesTheConfigAgainstTheShapes) {
  const TemporaryFolder folder;
  const auto source = test_data("formats/bert/pytorch");
  fs::copy(source, folder.path(), fs::copy_options::recursive);
  auto config = Json::parse_file(source / "config.json");
  config["vocab_size"] = 99;
  config["num_hidden_layers"] = 7;
  std::ofstream(folder.path() / "config.json") << config.dump();
  const auto run = run_program({"inspect", folder.path(), "--verify"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, AllOf(HasSubstr("'vocab_size' is 99"), HasSubstr("has 53 rows"),
                             HasSubstr("'num_hidden_layers' is 7"), HasSubstr("have 2 layers")));
}

TEST(QuantizeCommand, WritesANewFolderBesideTheModel) {
  const TemporaryFolder folder;
  fs::copy_file(test_data("formats/bert/pytorch") / "model.safetensors", folder.path() / "model.safetensors");
  fs::copy_file(test_data("formats/bert/pytorch") / "config.json", folder.path() / "config.json");
  for (const auto& model : {folder.file("model.safetensors"), folder.path().string()}) {
    const auto run = run_program({"quantize", model, folder.file("int8"), "--type", "int8"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(fs::remove_all(folder.path() / "int8"), 3u) << "the folder, the weights and their config";
  }
}

TEST(Inspect, VerifiesWhatStandsBesideTheWeights) {
  const TemporaryFolder folder;
  const auto source = test_data("formats/bert/pytorch");
  fs::copy(source, folder.path(), fs::copy_options::recursive);
  auto config = Json::parse_file(source / "config.json");
  config["num_attention_heads"] = "two";
  std::ofstream(folder.path() / "config.json") << config.dump();
  std::ofstream(folder.path() / "tokenizer.json") << "{\"model\": ";
  const auto run = run_program({"inspect", folder.path(), "--verify"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("'num_attention_heads' is \"two\", expected an integer"), HasSubstr("tokenizer.json")));
}

}  // namespace transformers::cli_tests
