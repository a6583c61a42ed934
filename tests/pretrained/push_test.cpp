// Models, configs and tokenizers on their way to the Hub.
#include "transformers/hub/push.h"

#include "golden.h"
#include "tests/hub/hub_test.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/save.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct PushToHub : hub_tests::HubTest {
  PushToHub()
      : model(
            load_by_class_name((data_folder() / "gpt2/models/GPT2LMHeadModel").string(), "", {.dtype = "auto"}).model) {
    server.add_token("hf_good", "somebody");
    server.set_part_size(2000);
    set("HF_TOKEN", "hf_good");
    push.retry = {.retries = 2, .first_delay_s = 0.001, .longest_delay_s = 0.002};
  }
  void expect_equal(const std::string& name_or_path) {
    const auto again = load_by_class_name(name_or_path, "", {.output_loading_info = true, .dtype = "auto"});
    EXPECT_TRUE(again.loading_info->missing_keys.empty() && again.loading_info->unexpected_keys.empty());
    for (const auto& [key, tensor] : model->state_dict())
      EXPECT_TRUE(difference(again->state_dict().at(key), tensor, 0.0).empty()) << key;
  }

  std::shared_ptr<PreTrainedModel> model;
  PushToHubOptions push;
};

TEST_F(PushToHub, AModelComesBackAsItWas) {  // H01–H04, P11
  const auto url = model->push_to_hub("my-model", push);
  EXPECT_EQ(url, server.url() + "/somebody/my-model/commit/" + server.commits().front().commit);
  EXPECT_EQ(server.commits().front().summary, "Upload model");
  EXPECT_THAT(server.files("somebody/my-model").at("README.md"), HasSubstr("library_name: transformers"));
  expect_equal("somebody/my-model");
  EXPECT_EQ(model->push_to_hub("my-model", push), url) << "nothing new";
  EXPECT_THAT(server.commits(), SizeIs(1));
}

TEST_F(PushToHub, EveryOptionOfTheSaveArrives) {  // H02
  push.max_shard_size = 3000;
  push.variant = "fp16";
  (void)model->push_to_hub("org/shards", push);
  const auto shards = server.files("org/shards");
  EXPECT_TRUE(shards.contains("model.safetensors.index.fp16.json"));
  EXPECT_TRUE(shards.contains("config.json") && shards.contains("generation_config.json"));
  size_t count = 0;
  for (const auto& [name, bytes] : shards) count += name.starts_with("model.fp16-0000");
  EXPECT_GT(count, 1U);
  push.max_shard_size = std::nullopt;
  push.variant = std::nullopt;
  push.safe_serialization = false;
  (void)model->push_to_hub("org/pickle", push);
  EXPECT_TRUE(server.files("org/pickle").contains("pytorch_model.bin"));
}

TEST_F(PushToHub, TagsAreCollectedOnce) {  // P12
  EXPECT_FALSE(model->model_tags);
  model->add_model_tags("custom");
  model->add_model_tags(std::vector<std::string>{"custom", "custom-bert"});
  EXPECT_EQ(*model->model_tags, (std::vector<std::string>{"custom", "custom-bert"}));
  push.tags = {"custom-bert", "new"};
  (void)model->push_to_hub("my-custom-bert", push);
  EXPECT_THAT(server.files("somebody/my-custom-bert").at("README.md"),
              HasSubstr("tags:\n- custom\n- custom-bert\n- new\n---"));
}

TEST_F(PushToHub, SavePretrainedPushesWhatItWrote) {  // P47, P51
  const auto folder = root / "my-model";
  fs::create_directories(folder);
  write_text_atomic(folder / "mine.txt", "mine");
  const Json kwargs = Json::parse(R"({"commit_message": "Saved", "private": true, "tags": ["a"]})");
  model->save_pretrained(folder, {.push_to_hub = true, .token = "hf_good", .kwargs = kwargs});
  EXPECT_EQ(server.commits().back().summary, "Saved");
  EXPECT_TRUE(server.is_private("somebody/my-model"));
  EXPECT_FALSE(server.files("somebody/my-model").contains("mine.txt"));
  EXPECT_THAT(server.files("somebody/my-model").at("README.md"), HasSubstr("- a\n"));
  expect_equal(folder.string());
  expect_equal("somebody/my-model");
  model->save_pretrained(folder, {.push_to_hub = true, .kwargs = Json::parse(R"({"repo_id": "org/x"})")});
  EXPECT_EQ(server.commits().back().repo, "org/x");
  const auto save = [&](const char* text) { model->save_pretrained(folder, {.kwargs = Json::parse(text)}); };
  EXPECT_THROW(save(R"({"nonsense": 1})"), TypeError);
  EXPECT_THROW(save(R"({"private": "yes"})"), TypeError);
  fs::remove_all(folder);
  save(R"({"save_config": false})");
  EXPECT_FALSE(fs::exists(folder)) << "the old name of is_main_process";
}

TEST_F(PushToHub, ConfigsAndTokenizersGoAlone) {  // H01, H03
  (void)model->config->push_to_hub("config", push);
  EXPECT_EQ(server.commits().back().summary, "Upload config");
  EXPECT_EQ(AutoConfig::from_pretrained("somebody/config")->model_type(), "gpt2");
  EXPECT_FALSE(server.files("somebody/config").contains("model.safetensors"));
  (void)model->generation_config->push_to_hub("generation", push);
  EXPECT_EQ(server.commits().back().summary, "Upload config");
  EXPECT_TRUE(server.files("somebody/generation").contains("generation_config.json"));
}

}  // namespace
}  // namespace transformers::testing
