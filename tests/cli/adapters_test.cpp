// Commands on a folder that holds an adapter and names its base model (P73, cli.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden_files.h"
#include "transformers/base/files.h"
#include "transformers/base/json.h"

namespace transformers::cli_tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr float kTolerance = 1e-4f;  // C09, float32

// A model with a tokenizer, and beside it the golden adapter "list" for it.
struct AdapterFolder {
  AdapterFolder() {
    fs::create_directories(base);
    make_chat_model(base, "llama/models/LlamaForCausalLM");
    fs::copy(test_data("adapters/list"), adapter, fs::copy_options::recursive);
    auto config = Json::parse_file(adapter / "adapter_config.json");
    config["base_model_name_or_path"] = "base";
    write_text_atomic(adapter / "adapter_config.json", config.dump());
  }
  TemporaryFolder folder;
  fs::path base = folder.path() / "base", adapter = folder.path() / "adapter";
};

TEST(AdapterCommands, ForwardGivesTheGoldenLogits) {
  const AdapterFolder files;
  const auto in = files.folder.file("in.safetensors"), out = files.folder.file("out.safetensors");
  extract(test_data("adapters/inputs.safetensors"), "list/", in);
  const auto run = run_program({"forward", files.adapter, "--inputs", in, "--outputs", out, "--quiet"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto got = floats_of(*open_checkpoint(out), "logits");
  const auto wanted = floats_of(*open_checkpoint(test_data("adapters/outputs.safetensors")), "list/logits");
  ASSERT_EQ(got.size(), wanted.size());
  ASSERT_FALSE(got.empty());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], kTolerance) << i;
}

TEST(AdapterCommands, GenerateChatAndEmbedTakeTheTokenizerOfTheBase) {
  const AdapterFolder files;
  const std::vector<std::string> options = {"--prompt", "hello", "--max-new-tokens", "8", "--json", "--quiet"};
  const auto generate = [&](const fs::path& model) {
    std::vector<std::string> words = {"generate", model};
    words.insert(words.end(), options.begin(), options.end());
    return run_program(words);
  };
  const auto with = generate(files.adapter), without = generate(files.base);
  ASSERT_EQ(with.exit_code, 0) << with.err;
  EXPECT_NE(Json::parse(with.out).at("sequences"), Json::parse(without.out).at("sequences"));
  const auto chat = run_program({"chat", files.adapter, "--max-new-tokens", "4", "--quiet"}, "hello\n/quit\n");
  EXPECT_EQ(chat.exit_code, 0) << chat.err;
  const auto embedded = run_program({"embed", files.adapter, "--quiet"}, "hello\n");
  ASSERT_EQ(embedded.exit_code, 0) << embedded.err;
  EXPECT_NE(embedded.out, run_program({"embed", files.base, "--quiet"}, "hello\n").out);
}

TEST(AdapterCommands, InspectTellsOfTheAdapter) {
  const AdapterFolder files;
  const auto run = run_program({"inspect", files.adapter, "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto report = Json::parse(run.out);
  EXPECT_EQ(report.at("adapter").at("base_model_name_or_path"), Json("base"));
  EXPECT_TRUE(report.at("tensors").contains("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"));
  const auto table = run_program({"inspect", files.adapter});
  EXPECT_THAT(table.out, HasSubstr("LORA"));
  EXPECT_THAT(table.out, HasSubstr("base_model_name_or_path"));
}

TEST(AdapterCommands, ABaseThatIsNotThereIsNamed) {
  const AdapterFolder files;
  fs::remove_all(files.base);
  const auto run = run_program({"generate", files.adapter, "--prompt", "x", "--local-files-only"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("there is no base model 'base'"));
}

}  // namespace
}  // namespace transformers::cli_tests
