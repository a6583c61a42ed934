// The commands that look at files: inspect and tokenize.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "program.h"
#include "transformers/base/json.h"

namespace transformers::cli_tests {

namespace fs = std::filesystem;

namespace {

using ::testing::HasSubstr;

// A folder whose tokenizer is one of the tiny ones.
void use_tokenizer(const TemporaryFolder& folder, const std::string& name) {
  fs::copy_file(test_data("tokenizers/" + name), folder.path() / "tokenizer.json");
}

}  // namespace

TEST(Inspect, PrintsTheShapeThatTheContractNames) {
  const auto run = run_program({"inspect", test_data("llama/models/LlamaForCausalLM"), "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto report = Json::parse(run.out);
  EXPECT_EQ(report.at("config").at("model_type"), Json("llama"));
  const auto& embedding = report.at("tensors").at("model.embed_tokens.weight");
  EXPECT_EQ(embedding.at("dtype"), Json("float32"));
  EXPECT_EQ(embedding.at("shape").as_array()[0], report.at("config").at("vocab_size"));
  int64_t parameters = 0;
  for (const auto& [name, tensor] : report.at("tensors").as_object()) {
    int64_t count = 1;
    for (const auto& size : tensor.at("shape").as_array()) count *= size.as_int();
    parameters += count;
  }
  EXPECT_EQ(report.at("num_parameters"), Json(parameters));
  EXPECT_EQ(report.at("total_size"), Json(parameters * 4));
}

TEST(Inspect, ReadsGgufMetadataAsConfig) {
  const auto run = run_program({"inspect", test_data("gguf/llama_q8_0.gguf"), "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto report = Json::parse(run.out);
  EXPECT_EQ(report.at("config").at("model_type"), Json("llama"));
  EXPECT_EQ(report.at("tensors").at("token_embd.weight").at("dtype"), Json("q8_0"));
}

TEST(Inspect, TakesAFolderWithAConfigOnly) {
  const TemporaryFolder folder;
  fs::copy_file(test_data("llama/models/LlamaForCausalLM/config.json"), folder.path() / "config.json");
  const auto run = run_program({"inspect", folder.path(), "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Json::parse(run.out).at("num_parameters"), Json(0));
}

TEST(Inspect, PrintsATableForPeople) {
  const auto run = run_program({"inspect", test_data("llama/models/LlamaForCausalLM")});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, HasSubstr("model.safetensors"));
  EXPECT_THAT(run.out, HasSubstr("total"));
}

TEST(Inspect, NamesACutFile) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("model.safetensors"), std::ios::binary) << std::string("\xff\0\0\0\0\0\0\0{", 9);
  const auto run = run_program({"inspect", folder.path()});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(lines_of(run.err).size(), 1u);
  EXPECT_THAT(run.err, HasSubstr("model.safetensors"));
}

TEST(Tokenize, RoundTripsEveryLine) {
  const TemporaryFolder folder;
  use_tokenizer(folder, "qwen2.json");
  const std::vector<std::string> texts = {"Hello wörld 👋", "", " two  spaces\r", "tab\tand\u2028separator"};
  std::string input;
  for (const auto& text : texts) input += text + "\n";
  const auto run = run_program({"tokenize", folder.path(), "--json", "--no-special-tokens"}, input);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto lines = lines_of(run.out);
  ASSERT_EQ(lines.size(), texts.size());  // only \n ends a line
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto line = Json::parse(lines[i]);
    EXPECT_EQ(line.at("decoded"), Json(texts[i]));
    EXPECT_EQ(line.at("input_ids").size(), line.at("tokens").size());
    EXPECT_EQ(line.at("input_ids").size(), line.at("offsets").size());
  }
}

TEST(Tokenize, CountsOffsetsInCodePoints) {
  const TemporaryFolder folder;
  use_tokenizer(folder, "qwen2.json");
  const auto run = run_program({"tokenize", folder.path(), "--json"}, "wörld 👋");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto offsets = Json::parse(run.out).at("offsets").as_array();
  ASSERT_FALSE(offsets.empty());
  EXPECT_EQ(offsets.back().as_array()[1], Json(7));
}

TEST(Tokenize, RefusesWhatIsNotUtf8) {
  const TemporaryFolder folder;
  use_tokenizer(folder, "qwen2.json");
  const auto run = run_program({"tokenize", folder.path(), "--json"}, "fine\nbroken \xff\n");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("line 2"));
  EXPECT_EQ(lines_of(run.out).size(), 1u);
}

TEST(Tokenize, RendersConversations) {
  const TemporaryFolder folder;
  use_tokenizer(folder, "qwen2.json");
  std::ofstream(folder.file("chat_template.jinja")) << "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor "
                                                       "%}{% if add_generation_prompt %}<assistant>{% endif %}";
  std::ofstream(folder.file("messages.json")) << R"([{"role": "user", "content": "hi"}])";
  const auto chat = folder.file("messages.json");
  auto run = run_program({"tokenize", folder.path(), "--chat", chat, "--add-generation-prompt"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Json::parse(run.out).at("text"), Json("<user>hi<assistant>"));
  EXPECT_GT(Json::parse(run.out).at("input_ids").size(), 0u);
  run = run_program({"tokenize", folder.path(), "--chat", chat});
  EXPECT_EQ(Json::parse(run.out).at("text"), Json("<user>hi"));
}

}  // namespace transformers::cli_tests
