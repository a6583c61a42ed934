// The commands that run models, on the tiny golden ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>

#include "golden_files.h"
#include "program.h"
#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/checkpoint/safetensors.h"

namespace transformers::cli_tests {

namespace fs = std::filesystem;

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr float kTolerance = 1e-4f;  // C09, float32

}  // namespace

TEST(Forward, GivesTheGoldenOutputs) {
  const TemporaryFolder folder;
  const std::string step = "BertModel_plain/0/";
  extract(test_data("bert/inputs.safetensors"), step, folder.file("in.safetensors"));
  const auto run = run_program({"forward", test_data("bert/models/BertForPreTraining"), "--class", "BertModel",
                                "--inputs", folder.file("in.safetensors"), "--outputs", folder.file("out.safetensors"),
                                "--output-hidden-states", "--loading-info", folder.file("info.json"), "--quiet"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const auto got = open_checkpoint(folder.file("out.safetensors"));
  const auto wanted = open_checkpoint(test_data("bert/outputs.safetensors"));
  for (const std::string name : {"last_hidden_state", "pooler_output"}) {
    const auto ours = floats_of(*got, name), theirs = floats_of(*wanted, step + name);
    ASSERT_EQ(ours.size(), theirs.size()) << name;
    ASSERT_FALSE(ours.empty());
    for (size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], kTolerance) << name << " " << i;
  }
  EXPECT_NE(got->find("hidden_states.2"), nullptr);
  const auto info = Json::parse_file(folder.file("info.json"));
  EXPECT_EQ(info.at("missing_keys").size(), 0u);
  EXPECT_GT(info.at("unexpected_keys").size(), 0u);
}

TEST(Forward, GivesTheSameWhereverTheWeightsLie) {  // L04, L10, L13
  const TemporaryFolder folder;
  extract(test_data("bert/inputs.safetensors"), "BertModel_plain/0/", folder.file("in.safetensors"));
  std::ofstream(folder.file("map.json")) << R"({"": "disk", "embeddings": "cpu"})";
  const auto forward = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"forward",        test_data("bert/models/BertForPreTraining"),
                                      "--class",        "BertModel",
                                      "--inputs",       folder.file("in.safetensors"),
                                      "--quiet",        "--outputs",
                                      folder.file(name)};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words);
  };
  EXPECT_EQ(forward("plain.safetensors", {}).exit_code, 0);
  const auto run = forward("disk.safetensors", {"--device-map", folder.file("map.json")});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(read_text(folder.file("plain.safetensors")), read_text(folder.file("disk.safetensors")));
  EXPECT_EQ(forward("auto.safetensors", {"--device-map", "auto", "--max-memory", "cpu=20KB"}).exit_code, 0);
  EXPECT_EQ(read_text(folder.file("plain.safetensors")), read_text(folder.file("auto.safetensors")));
  EXPECT_EQ(forward("x.safetensors", {"--max-memory", "cpu"}).exit_code, 2);
  EXPECT_EQ(forward("x.safetensors", {"--device-map", "gpu"}).exit_code, 2);
}

TEST(DeviceMapCommand, PrintsThePlanWithoutLoading) {  // L07, L09
  const auto run = run_program({"device-map", test_data("bert/models/BertForPreTraining"), "--class", "BertModel",
                                "--max-memory", "cpu=20KB", "--json", "--quiet"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto plan = Json::parse(run.out);
  EXPECT_EQ(plan.at("device_map").at("embeddings").as_string(), "cpu");
  EXPECT_GT(plan.at("bytes").at("disk").as_int(), 0);
}

// What nothing else says of the type, the weights do, as when they are loaded.
TEST(DeviceMapCommand, AsksTheWeightsForTheirType) {
  const TemporaryFolder folder;
  fs::copy(test_data("bert/models/BertForPreTraining"), folder.path(), fs::copy_options::recursive);
  auto config = Json::parse_file(folder.path() / "config.json");
  config.erase("dtype");
  config.erase("torch_dtype");
  std::ofstream(folder.path() / "config.json") << config.dump();
  const auto bytes = [](const std::string& model) {
    const auto run = run_program({"device-map", model, "--json", "--quiet"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return Json::parse(run.out).at("bytes").at("cpu").as_int();
  };
  const auto halves = folder.file("halves");
  ASSERT_EQ(run_program({"convert", folder.path(), halves, "--to", "safetensors", "--dtype", "bfloat16"}).exit_code, 0);
  std::ofstream(fs::path(halves) / "config.json") << config.dump();
  EXPECT_LT(bytes(halves), bytes(folder.path()) * 6 / 10);
}

TEST(Generate, SaysWhichOptionsHaveNoEffect) {
  const auto run = run_program({"generate", test_data("llama/models/LlamaForCausalLM"), "--input-ids", "3",
                                "--max-new-tokens", "2", "--length-penalty", "2", "--output-scores", "true"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("have no effect: length_penalty"), HasSubstr("--output-scores has no effect")));
}

TEST(Forward, AttentionsNeedEager) {  // A09
  const TemporaryFolder folder;
  extract(test_data("bert/inputs.safetensors"), "BertModel_plain/0/", folder.file("in.safetensors"));
  const auto model = test_data("bert/models/BertForPreTraining").string();
  const std::vector<std::string> words = {"forward",
                                          model,
                                          "--class",
                                          "BertModel",
                                          "--inputs",
                                          folder.file("in.safetensors"),
                                          "--outputs",
                                          folder.file("out.safetensors"),
                                          "--output-attentions"};
  EXPECT_EQ(run_program(words).exit_code, 0);
  EXPECT_NE(open_checkpoint(folder.file("out.safetensors"))->find("attentions.0"), nullptr);
  auto with_sdpa = words;
  with_sdpa.insert(with_sdpa.end(), {"--attn-implementation", "sdpa"});
  const auto run = run_program(with_sdpa);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("eager"));
}

TEST(Forward, LeavesNothingWhenItFails) {
  const TemporaryFolder folder;
  extract(test_data("bert/inputs.safetensors"), "BertModel_plain/0/", folder.file("in.safetensors"));
  const auto run =
      run_program({"forward", test_data("bert/models/BertForPreTraining"), "--class", "LlamaModel", "--inputs",
                   folder.file("in.safetensors"), "--outputs", folder.file("out.safetensors")});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("LlamaModel"));
  EXPECT_FALSE(fs::exists(folder.file("out.safetensors")));
}

// A file of int64 or float32 tensors, all elements the same.
struct TinyTensor {
  std::string name = {};
  DataType dtype = DataType::I64;
  std::vector<int64_t> shape = {};
};
void write_tiny(const std::string& file, const std::vector<TinyTensor>& tensors) {
  std::vector<CheckpointWriteEntry> entries;
  for (const auto& tensor : tensors) {
    const auto bytes = std::make_shared<std::vector<std::byte>>();
    const auto count = element_count(tensor.shape).value_or(0);
    bytes->resize(static_cast<size_t>(count) * (tensor.dtype == DataType::I64 ? 8 : 4));
    entries.push_back({.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape, .bytes = [bytes] {
                         return SharedBytes{.bytes = *bytes, .owner = bytes};
                       }});
  }
  write_safetensors(file, entries);
}

TEST(Forward, NamesTheFileAndTheTensorThatDoesNotFit) {
  const TemporaryFolder folder;
  const auto in = folder.file("in.safetensors"), out = folder.file("out.safetensors");
  const TinyTensor good{.name = "input_ids", .shape = {1, 4}};
  const std::pair<std::vector<TinyTensor>, std::string> cases[] = {
      {{{.name = "input_ids", .shape = {4}}}, "input_ids has the shape [4], expected (batch, tokens)"},
      {{{.name = "input_ids", .dtype = DataType::F32, .shape = {1, 4}}}, "input_ids has the dtype float32"},
      {{good, {.name = "attention_mask", .shape = {1, 5}}}, "attention_mask has the shape [1, 5]"},
      {{good, {.name = "labels", .shape = {1, 2}}}, "labels has the shape [1, 2]"},
      {{good, {.name = "foo", .shape = {1}}}, "no model takes an input called 'foo'"},
  };
  for (const auto& [tensors, part] : cases) {
    write_tiny(in, tensors);
    const auto run =
        run_program({"forward", test_data("llama/models/LlamaForCausalLM"), "--inputs", in, "--outputs", out});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_EQ(lines_of(run.err).size(), 1u) << run.err;
    EXPECT_THAT(run.err, HasSubstr(in));
    EXPECT_THAT(run.err, HasSubstr(part));
    EXPECT_FALSE(fs::exists(out));
  }
}

TEST(Forward, WritesOverNoFileOfTheModel) {
  const TemporaryFolder folder;
  make_chat_model(folder.path());
  write_tiny(folder.file("in"), {{.name = "input_ids", .shape = {1, 4}}});
  const auto size = fs::file_size(folder.path() / "model.safetensors");
  for (const auto* option : {"--outputs", "--loading-info"})
    for (const auto* name : {"model.safetensors", "config.json"}) {
      std::vector<std::string> words = {"forward",         folder.path(), "--inputs",
                                        folder.file("in"), option,        folder.file(name)};
      if (option != std::string("--outputs")) words.insert(words.end(), {"--outputs", folder.file("out")});
      const auto run = run_program(words);
      EXPECT_EQ(run.exit_code, 1);
      EXPECT_THAT(run.err, HasSubstr("a file of the model that is loaded"));
    }
  EXPECT_EQ(fs::file_size(folder.path() / "model.safetensors"), size);
}

TEST(Forward, WritesOverNoneOfItsOwnFiles) {
  const TemporaryFolder folder, files;
  make_chat_model(folder.path());
  write_tiny(files.file("in"), {{.name = "input_ids", .shape = {1, 4}}});
  const auto in = files.file("in"), out = files.file("out");
  const std::pair<std::string, std::string> pairs[] = {{in, out}, {out, in}, {out, out}};
  for (const auto& [outputs, info] : pairs) {
    const auto run =
        run_program({"forward", folder.path(), "--inputs", in, "--outputs", outputs, "--loading-info", info});
    if (outputs == in || info == in || outputs == info) {
      EXPECT_EQ(run.exit_code, 1) << outputs << " " << info;
      EXPECT_THAT(run.err, HasSubstr("are the same file"));
    }
    EXPECT_GT(fs::file_size(in), 32u);
  }
}

TEST(Generate, RefusesRandomHeads) {
  const auto bert = run_program(
      {"generate", test_data("bert/models/BertForSequenceClassification"), "--input-ids", "3,4", "--quiet"});
  EXPECT_EQ(bert.exit_code, 1);
  EXPECT_THAT(bert.err, HasSubstr("the checkpoint lacks cls.predictions"));
  EXPECT_EQ(bert.out, "");
  const auto body = run_program(
      {"generate", test_data("llama/models/LlamaForCausalLM"), "--input-ids", "3", "--class", "LlamaModel", "--quiet"});
  EXPECT_EQ(body.exit_code, 1);
  EXPECT_THAT(body.err, HasSubstr("cannot generate text"));
}

TEST(Generate, RefusesValuesBeforeItLoads) {
  const std::vector<std::string> options[] = {{"--eos-token-id", "a"},          {"--eos-token-id", "[[1]]"},
                                              {"--eos-token-id", "{}"},         {"--bad-words-ids", "x"},
                                              {"--suppress-tokens", "[\"a\"]"}, {"--cache-implementation", "foo"},
                                              {"--early-stopping", "maybe"}};
  for (const auto& option : options) {
    const auto run = run_program({"generate", "/no/such/model", "--input-ids", "3", option[0], option[1]});
    EXPECT_EQ(run.exit_code, 2) << option[0] << " " << option[1] << ": " << run.err;
  }
}

TEST(Generate, RefusesWhatNoMemoryHolds) {
  const auto model = test_data("llama/models/LlamaForCausalLM").string();
  auto run =
      run_program({"generate", model, "--input-ids", "3", "--max-new-tokens", "1", "--cache-implementation", "static",
                   "--max-cache-len", "2000000000", "--do-sample", "true", "--num-return-sequences", "1000"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("GiB"));
  run = run_program({"generate", model, "--input-ids", "3", "--max-new-tokens", "1", "--do-sample", "true",
                     "--num-return-sequences", "2000000000"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("num_return_sequences is 2000000000"));
}

TEST(Generate, KeepsWhatIsThereWhenInterrupted) {
  const auto run = interrupt_program({"generate", test_data("llama/models/LlamaForCausalLM"), "--input-ids", "3",
                                      "--max-new-tokens", "100000000", "--eos-token-id", "-1"},
                                     "", SIGINT);
  EXPECT_EQ(run.exit_code, 130);
  EXPECT_THAT(run.out, ::testing::StartsWith("3,"));
  EXPECT_THAT(run.out, ::testing::EndsWith("\n"));
}

TEST(Chat, EndsWhenInterrupted) {
  const TemporaryFolder folder;
  make_chat_model(folder.path());
  const auto run = interrupt_program({"chat", folder.path()}, "hello\n", SIGINT);
  EXPECT_EQ(run.exit_code, 130);
  EXPECT_THAT(run.out, ::testing::EndsWith("\n"));
}

TEST(Embed, AnswersEachLineAsItComes) {
  const TemporaryFolder folder;
  make_chat_model(folder.path());
  // stdin stays open: the answer must come without its end.
  const auto run = interrupt_program({"embed", folder.path(), "--quiet"}, "hello\n", SIGTERM);
  EXPECT_EQ(run.exit_code, 128 + SIGTERM);
  EXPECT_EQ(lines_of(run.out).size(), 1u);
}

TEST(Generate, GivesTheGoldenSequence) {
  const auto cases = Json::parse_file(test_data("generation/cases.json"));
  const auto& first = cases.at("generate").as_array().front();
  const auto id = first.at("id").as_string();
  const auto golden = open_checkpoint(test_data("generation/outputs.safetensors"));
  const auto* entry = golden->find(id + "/sequences");
  ASSERT_NE(entry, nullptr);
  const TemporaryFolder folder;
  extract(test_data("generation/inputs.safetensors"), id + "/", folder.file("in.safetensors"));
  const auto run = run_program({"generate", test_data("generation") / first.at("model").as_string(), "--class",
                                first.at("class").as_string(), "--inputs", folder.file("in.safetensors"), "--json",
                                "--max-new-tokens", std::to_string(first.at("options").at("max_new_tokens").as_int())});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  std::vector<int64_t> ours, theirs(entry->size_bytes / sizeof(int64_t));
  const auto report = Json::parse(run.out);
  for (const auto& row : report.at("sequences").as_array())
    for (const auto& token : row.as_array()) ours.push_back(token.as_int());
  std::memcpy(theirs.data(), golden->bytes(*entry).bytes.data(), entry->size_bytes);
  EXPECT_EQ(ours, theirs);
}

TEST(Generate, PrintsTextAndTheSameSeedDrawsTheSame) {
  const TemporaryFolder folder;
  make_chat_model(folder.path());
  const std::vector<std::string> words = {"generate", folder.path(), "--prompt", "hello",  "--max-new-tokens",
                                          "8",        "--do-sample", "true",     "--seed", "7"};
  const auto first = run_program(words), second = run_program(words);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, ::testing::StartsWith("hello"));
  EXPECT_EQ(first.out, second.out);
}

TEST(Generate, SaysWhatThisVersionLacks) {
  const auto model = test_data("llama/models/LlamaForCausalLM").string();
  const std::pair<std::string, std::string> later[] = {{"--quantize", "q8_0"}, {"--assistant-model", "x"}};
  for (const auto& [option, value] : later) {
    const auto run = run_program({"generate", model, "--input-ids", "3", option, value});
    EXPECT_EQ(run.exit_code, 1) << option;
    EXPECT_THAT(run.err, HasSubstr("is not part of this version"));
  }
  EXPECT_EQ(run_program({"generate", model}).exit_code, 2);
  EXPECT_EQ(run_program({"generate", model, "--input-ids", "1,x"}).exit_code, 2);
  EXPECT_EQ(run_program({"generate", model, "--input-ids", "1", "--prompt", "x"}).exit_code, 2);
}

TEST(Chat, TalksThroughAPipeAndItsCacheChangesNothing) {
  const TemporaryFolder folder;
  make_chat_model(folder.path());
  const std::string turns = "hello\nhow are you\nfine\n";
  const std::vector<std::string> words = {"chat", folder.path(), "--max-new-tokens", "6"};
  auto uncached = words;
  uncached.insert(uncached.end(), {"--use-cache", "false"});
  const auto run = run_program(words, turns), plain = run_program(uncached, turns);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(lines_of(run.out).size(), 3u) << run.out;
  EXPECT_THAT(run.err, HasSubstr("tokens/s"));
  EXPECT_EQ(run.out, plain.out);
}

TEST(Chat, SavesResetsAndQuits) {
  const TemporaryFolder folder;
  make_chat_model(folder.path());
  const auto file = folder.file("talk.json");
  const auto run = run_program({"chat", folder.path(), "--max-new-tokens", "4", "--quiet"},
                               "hello\n/reset\n/system be brief\nhi\n/save " + file + "\n/quit\nnever\n");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const auto messages = Json::parse_file(file).as_array();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].at("content"), Json("be brief"));
  EXPECT_EQ(messages[1].at("content"), Json("hi"));
  EXPECT_EQ(messages[2].at("role"), Json("assistant"));
}

TEST(Chat, SaysWhenTheContextIsFull) {
  const TemporaryFolder folder;
  make_chat_model(folder.path());
  const auto run = run_program({"chat", folder.path()}, std::string(300, 'a') + "\n");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("context"));
  EXPECT_THAT(run.err, HasSubstr("256"));
}

TEST(Embed, GivesOneVectorForEachLine) {
  const TemporaryFolder folder;
  make_chat_model(folder.path());
  const auto run = run_program({"embed", folder.path()}, "one\n\na third line\n");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto lines = lines_of(run.out);
  ASSERT_EQ(lines.size(), 3u);
  const auto size = Json::parse(lines[0]).size();
  EXPECT_GT(size, 0u);
  for (const auto& line : lines) EXPECT_EQ(Json::parse(line).size(), size);
  const auto npy = folder.file("out.npy");
  ASSERT_EQ(run_program({"embed", folder.path(), "--output", npy}, "one\ntwo\n").exit_code, 0);
  EXPECT_EQ((fs::file_size(npy) - 2 * size * sizeof(float)) % 64, 0u);
}

// What is named is wrong, not what else lies in its folder.
TEST(Embed, SaysThatATextIsNoModel) {
  const TemporaryFolder folder;
  for (const auto* name : {"one.gguf", "two.gguf"})
    fs::copy_file(test_data("gguf/llama_f32.gguf"), folder.path() / name);
  std::ofstream(folder.file("text.txt")) << "a sentence\n";
  for (const std::string command : {"embed", "tokenize"}) {
    const auto run = run_program({command, folder.file("text.txt")}, "a\n");
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_THAT(run.err, AllOf(HasSubstr("text.txt"), HasSubstr("no known format"))) << command;
  }
}

TEST(Bench, HasTheKeysOfTheContract) {
  const auto run = run_program({"bench", test_data("llama/models/LlamaForCausalLM"), "--json", "--repeat", "1",
                                "--prompt-tokens", "16", "--decode-tokens", "4"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto decoder = Json::parse(run.out);
  for (const auto* key : {"load_s", "first_token_s", "prefill_tok_s", "decode_tok_s", "peak_rss_bytes", "threads"}) {
    ASSERT_TRUE(decoder.contains(key)) << key;
    EXPECT_GT(decoder.at(key).as_double(), 0) << key;
  }
  EXPECT_TRUE(decoder.at("kernels").is_string());
  const auto encoder = run_program({"bench", test_data("bert/models/BertForPreTraining"), "--json", "--repeat", "1",
                                    "--batch", "2", "--length", "8"});
  ASSERT_EQ(encoder.exit_code, 0) << encoder.err;
  EXPECT_GT(Json::parse(encoder.out).at("sequences_s").as_double(), 0);
}

}  // namespace transformers::cli_tests
