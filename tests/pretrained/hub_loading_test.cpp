// What loads from the Hub beside models, with all that belongs to it.
#include <fstream>

#include "golden.h"
#include "tests/hub/hub_test.h"
#include "transformers/base/logging.h"
#include "transformers/config/generation_config.h"
#include "transformers/models/bert.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/save.h"
#include "transformers/pretrained/sentence_transformer.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using hub_tests::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct HubLoading : hub_tests::HubTest {
  HubLoading() : folder(root / "model") {
    const auto config = AutoConfig::for_model("bert");
    (void)config->override_with(Json::parse(R"({"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 32})"));
    AutoModel::from_config(config)->save_pretrained(folder);
    fs::copy_file(data_folder() / "tokenizers" / "bert-plain.json", folder / "tokenizer.json");
  }
  void write(const fs::path& name, std::string_view text) const {
    fs::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << text;
  }
  void restrict(const std::string& repo) {
    server.add_token("hf_secret", "somebody");
    server.set_access(repo, hub_tests::Access::Private);
  }
  static at::Tensor embed(const std::string& name, const FromPretrainedOptions& options = {}) {
    const std::vector<std::string> sentences = {"a b c d e f g h i j k l m n o p", "x"};
    return SentenceTransformer::from_pretrained(name, options).encode(sentences);
  }

  fs::path folder;
};

TEST_F(HubLoading, SentenceEmbeddingsComeWithAllThatShapesThem) {  // P59
  const logging::Capture quiet;
  const auto plain = embed(folder);
  write("modules.json", R"([{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "1_Pooling"},
                            {"type": "x.Normalize", "path": "2_Normalize"}])");
  write("1_Pooling/config.json", R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
  write("sentence_bert_config.json", R"({"max_seq_length": 7})");
  write("config_sentence_transformers.json", R"({"prompts": {"q": "q: "}, "default_prompt_name": "q"})");
  const auto expected = embed(folder);
  EXPECT_NE(difference(expected, plain, 1e-3), "");
  server.commit_folder("org/embedder", folder);
  EXPECT_EQ(difference(embed("org/embedder"), expected, 0.0), "");
  restrict("org/embedder");
  EXPECT_EQ(difference(embed("org/embedder", {.force_download = true, .token = TokenArg("hf_secret")}), expected, 0.0),
            "");
}

TEST_F(HubLoading, SentenceFilesThatCannotBeAreNamed) {
  const logging::Capture log;
  const auto refusal = [&](const std::string& name, std::string_view text) {
    write(name, text);
    try {
      static_cast<void>(embed(folder));
    } catch (const Error& error) {
      fs::remove(folder / name);
      return std::string(error.what());
    }
    ADD_FAILURE() << name << " " << text << " was taken";
    return std::string();
  };
  EXPECT_THAT(refusal("sentence_bert_config.json", R"({"max_seq_length": "7"})"),
              AllOf(HasSubstr("sentence_bert_config.json"), HasSubstr("max_seq_length")));
  EXPECT_THAT(refusal("sentence_bert_config.json", R"({"max_seq_length": 0})"), HasSubstr("special tokens"));
  EXPECT_THAT(refusal("modules.json", "{}"), HasSubstr("modules.json"));
  EXPECT_THAT(refusal("modules.json", R"([{"type": 3}])"), AllOf(HasSubstr("modules.json"), HasSubstr("type")));
  write("1_Pooling/config.json", R"({"pooling_mode_cls_token": "yes"})");
  EXPECT_THAT(refusal("modules.json", R"([{"type": "x.Pooling", "path": "1_Pooling"}])"),
              AllOf(HasSubstr("1_Pooling/config.json"), HasSubstr("pooling_mode_cls_token")));
}

TEST_F(HubLoading, TheEncoderMayLieInAModulesFolder) {
  const logging::Capture quiet;
  const auto expected = embed(folder);
  const auto inner = root / "outer" / "0_Transformer";
  fs::create_directories(inner.parent_path());
  fs::rename(folder, inner);
  folder = root / "outer";
  write("modules.json", R"([{"type": "x.Transformer", "path": "0_Transformer"}])");
  server.commit_folder("org/embedder", folder);
  EXPECT_EQ(difference(embed("org/embedder"), expected, 0.0), "");
}

TEST_F(HubLoading, TokenizersAndConfigsTakeTheDownloadArguments) {  // H07, X04
  const logging::Capture log;
  write("generation_config.json", R"({"max_new_tokens": 5})");
  server.commit_folder("org/name", folder);
  restrict("org/name");
  EXPECT_THROW((void)AutoTokenizer::from_pretrained("org/name"), HubError);
  const auto elsewhere = root / "elsewhere";
  const auto tokenizer = AutoTokenizer::from_pretrained("org/name", {.cache_dir = elsewhere, .token = "hf_secret"});
  EXPECT_EQ(tokenizer->encode("a b"), AutoTokenizer::from_pretrained(folder)->encode("a b"));
  EXPECT_TRUE(fs::exists(elsewhere / "models--org--name"));
  const auto config = BertConfig::from_pretrained("org/name", {.token = "hf_secret"});
  EXPECT_EQ(config->vocab_size, 300);
  EXPECT_EQ(BertConfig::from_pretrained("org/name", {.kwargs = Json::parse(R"({"use_auth_token": "hf_secret"})")})
                ->vocab_size,
            300);
  EXPECT_TRUE(log.contains("use_auth_token"));
  const auto generation = GenerationConfig::from_pretrained(
      "org/name", {.token = "hf_secret", .kwargs = Json::parse(R"({"temperature": 0.5})")});
  EXPECT_EQ(generation.max_new_tokens, 5);
  EXPECT_EQ(generation.temperature, 0.5);
  EXPECT_THROW((void)GenerationConfig::from_pretrained(
                   "org/name", {.token = "hf_secret", .kwargs = Json::parse(R"({"tempo": 1})")}),
               TypeError);
  EXPECT_THROW((void)GenerationConfig::from_pretrained("org/name", {.token = "hf_secret"}, "none.json"),
               EntryNotFoundError);
  EXPECT_THROW((void)AutoTokenizer::from_pretrained("org/other", {.local_files_only = true}), OSError);
}

TEST_F(HubLoading, TheOldNameOfTheTokenHolds) {  // C07
  const logging::Capture log;
  server.commit_folder("org/name", folder);
  restrict("org/name");
  const auto load = [](const char* kwargs, std::optional<TokenArg> token = {}) {
    return AutoModel::from_pretrained("org/name", {.token = std::move(token), .kwargs = Json::parse(kwargs)});
  };
  EXPECT_EQ(load(R"({"use_auth_token": "hf_secret"})")->config->get("vocab_size"), Json(300));
  EXPECT_THAT(message_of<ValueError>([&] { (void)load(R"({"use_auth_token": true})", "hf_secret"); }),
              HasSubstr("use_auth_token"));
  EXPECT_THROW((void)load(R"({"use_auth_token": 3})"), TypeError);
}

}  // namespace
}  // namespace transformers::testing
