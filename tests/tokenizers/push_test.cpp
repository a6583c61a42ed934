#include "transformers/hub/push.h"

#include "tests/hub/hub_test.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;

struct TokenizerPush : hub_tests::HubTest {};

TEST_F(TokenizerPush, TheFilesAreUploadedInOneCommit) {  // H01, H03
  server.add_token("hf_good", "somebody");
  const auto folder = root / "tokenizer";
  fs::create_directories(folder);
  fs::copy_file(fs::path(TRANSFORMERS_TEST_DATA) / "tokenizers" / "bert-uncased.json", folder / "tokenizer.json");
  const auto tokenizer = AutoTokenizer::from_pretrained(folder);
  const auto url = tokenizer->push_to_hub("mine", {.token = "hf_good", .tags = {"tokens"}});
  ASSERT_EQ(server.commits().size(), 1U);
  EXPECT_EQ(server.commits().front().summary, "Upload tokenizer");
  EXPECT_EQ(url, server.url() + "/somebody/mine/commit/" + server.commits().front().commit);
  const auto files = server.files("somebody/mine");
  EXPECT_TRUE(files.contains("tokenizer.json") && files.contains("tokenizer_config.json"));
  EXPECT_NE(files.at("README.md").find("- tokens\n"), std::string::npos);
}

}  // namespace
}  // namespace transformers
