#include "transformers/config/generation_config.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"

namespace transformers {
namespace {

using testing::HasSubstr;

struct TinyConfig final : PretrainedConfig {
  int64_t hidden_size = 4;
  bool use_cache = true;
  std::optional<int64_t> pad_token_id = 0;
  Json eos_token_id = 1;
  TRANSFORMERS_CONFIG(TinyConfig, "tiny", hidden_size, use_cache, pad_token_id, eos_token_id)
};

class GenerationConfigFile : public testing::Test {
 protected:
  GenerationConfigFile()
      : folder_(std::filesystem::temp_directory_path() /
                (std::string("generation_config_") + testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~GenerationConfigFile() override { std::filesystem::remove_all(folder_); }
  void write(std::string_view text) { write_text_atomic(folder_ / "generation_config.json", text); }
  [[nodiscard]] std::string text() const { return read_text(folder_ / "generation_config.json"); }
  std::filesystem::path folder_;
};

template <class E>
std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing of that type was thrown";
  return {};
}

// X04
TEST(GenerationConfig, IsEmptyAtFirstAsTheReferencesIs) {
  const auto dict = GenerationConfig().to_dict();
  EXPECT_EQ(dict.size(), 71 + 2);  // the fields; where it comes from and the version
  for (const auto& [key, value] : dict.as_object()) EXPECT_EQ(value.is_null(), key != "transformers_version") << key;
}

// X04
TEST(GenerationConfig, FieldsAreReadAndWrittenByName) {
  GenerationConfig config;
  EXPECT_EQ(config.update(Json::parse(R"({"top_k": 7, "temperature": 2, "do_sample": true, "eos_token_id": [1, 2],
                                          "cache_implementation": "static", "typo": 1})")),
            Json::parse(R"({"typo": 1})"));
  EXPECT_EQ(config.top_k, 7);
  EXPECT_EQ(config.temperature, 2.0);
  EXPECT_EQ(config.get("eos_token_id"), Json::parse("[1, 2]"));
  EXPECT_EQ(config.get("cache_implementation"), Json("static"));
  EXPECT_TRUE(config.get("min_p").is_null());
  (void)config.update(Json::parse(R"({"top_k": null})"));
  EXPECT_FALSE(config.top_k);
  EXPECT_TRUE(GenerationConfig::has_field("force_words_ids"));
  EXPECT_FALSE(GenerationConfig::has_field("hidden_size"));
}

// X04: the text is the reference's for the same values
TEST_F(GenerationConfigFile, HoldsWhatDiffersFromTheDefaults) {
  GenerationConfig config;
  config.eos_token_id = Json::Array{1, 2};
  config.do_sample = true;
  config.temperature = 0.7;
  config.extra["foo"] = 3;
  config.save_pretrained(folder_);
  EXPECT_EQ(text(), R"({
  "do_sample": true,
  "eos_token_id": [
    1,
    2
  ],
  "foo": 3,
  "temperature": 0.7,
  "transformers_version": "5.23.0"
}
)");
  EXPECT_EQ(GenerationConfig::from_folder(folder_), config);
}

// P71, X04: the text is the reference's for a T5Config
TEST_F(GenerationConfigFile, TakesGenerationKeysOfTheModelConfig) {
  TinyConfig model;
  model.extra["min_length"] = 3;
  const auto config = GenerationConfig::from_model_config(model);
  config.save_pretrained(folder_);
  EXPECT_EQ(text(), R"({
  "_from_model_config": true,
  "eos_token_id": 1,
  "min_length": 3,
  "output_attentions": false,
  "output_hidden_states": false,
  "pad_token_id": 0,
  "transformers_version": "5.23.0",
  "use_cache": true
}
)");
  const auto again = GenerationConfig::from_folder(folder_);
  EXPECT_EQ(again, config);
  EXPECT_EQ(again.is_from_model_config, true);
}

// X04
TEST_F(GenerationConfigFile, OutputsAskedForInTheModelConfigAreReturned) {
  TinyConfig model;
  model.output_attentions = true;
  EXPECT_EQ(GenerationConfig::from_model_config(model).return_dict_in_generate, true);
}

// X04
TEST_F(GenerationConfigFile, ForgetsModelKeysOfAFileMadeFromAModelConfig) {
  write(R"({"_from_model_config": true, "hidden_size": 8, "bos_token_id": 5, "transformers_version": "4.30.0"})");
  const auto config = GenerationConfig::from_folder(folder_);
  EXPECT_FALSE(config.extra.contains("hidden_size"));
  EXPECT_EQ(config.bos_token_id, 5);
}

// X04
TEST_F(GenerationConfigFile, SavesAsReadWhatItWouldNotAcceptNew) {
  write(R"({"temperature": 0.5, "top_p": 0.9})");
  auto config = GenerationConfig::from_folder(folder_);
  config.save_pretrained(folder_);
  EXPECT_THAT(text(), HasSubstr("\"temperature\": 0.5"));
  config.top_k = 3;
  const auto message = message_of<ValueError>([&] { config.save_pretrained(folder_); });
  for (const auto* field : {"temperature", "top_p", "top_k"}) EXPECT_THAT(message, HasSubstr(field));
}

// X04
TEST(GenerationConfig, NamesEveryFieldWithAnImpossibleValue) {
  GenerationConfig config;
  config.max_new_tokens = 0;
  config.early_stopping = "often";
  config.num_return_sequences = 3;
  config.cache_implementation = "none";
  const auto message = message_of<ValueError>([&] { config.validate(); });
  for (const auto* field : {"max_new_tokens", "early_stopping", "num_return_sequences", "cache_implementation"})
    EXPECT_THAT(message, HasSubstr(field));
  config = {};
  config.suppress_tokens = Json::Array{3, 4};
  config.forced_eos_token_id = 4;
  EXPECT_THAT(message_of<ValueError>([&] { config.validate(); }), HasSubstr("forced_eos_token_id"));
  config = {};
  config.extra["streamer"] = 1;
  EXPECT_THAT(message_of<ValueError>([&] { config.validate(); }), HasSubstr("streamer"));
}

// X04
TEST(GenerationConfig, WarnsOfFieldsWithoutEffectUnlessTheyAreInherited) {
  GenerationConfig config;
  config.temperature = 0.5;
  {
    const logging::Capture capture;
    logging::Capture::reset_once();
    config.validate();
    EXPECT_TRUE(capture.contains("temperature", logging::Level::Warning));
  }
  {
    const logging::Capture capture;
    logging::Capture::reset_once();
    (void)config.update(Json::parse(R"({"do_sample": false})"));
    EXPECT_FALSE(capture.contains("temperature"));
    EXPECT_THROW(config.validate(/*strict=*/true), ValueError);
  }
}

// X04
TEST(GenerationConfig, FillsWhatIsNotSet) {
  GenerationConfig own, model;
  own.top_k = 3;
  model.top_k = 9;
  model.top_p = 0.5;
  model.extra["more"] = true;
  own.fill_from(model);
  own.fill_from(GenerationConfig::global_defaults());
  EXPECT_EQ(own.top_k, 3);
  EXPECT_EQ(own.top_p, 0.5);
  EXPECT_EQ(own.max_length, 20);
  EXPECT_EQ(own.get("more"), Json(true));
  EXPECT_FALSE(own.min_p);
}

// X04
TEST_F(GenerationConfigFile, RejectsFilesThatAreNoGenerationConfig) {
  EXPECT_THROW((void)GenerationConfig::from_folder(folder_), FileNotFoundError);
  EXPECT_THROW((void)GenerationConfig::from_folder(folder_, "../x.json"), ValueError);
  write("[]");
  EXPECT_THROW((void)GenerationConfig::from_folder(folder_), OSError);
  write("{");
  EXPECT_THROW((void)GenerationConfig::from_folder(folder_), OSError);
  for (const auto* bad : {R"({"top_k": "many"})", R"({"top_k": 1.5})", R"({"do_sample": 1})",
                          R"({"max_new_tokens": -1})", R"({"max_length": 99999999999999999})"}) {
    write(bad);
    const auto message = message_of<ValueError>([&] { (void)GenerationConfig::from_folder(folder_); });
    EXPECT_THAT(message, HasSubstr("generation_config.json")) << bad;
  }
}

}  // namespace
}  // namespace transformers
