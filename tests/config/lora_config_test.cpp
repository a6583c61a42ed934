// adapter_config.json (P73, X10).
#include "transformers/config/lora_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "transformers/base/error.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;

TEST(LoraConfig, WritesWhatPeftWrote) {
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(TRANSFORMERS_TEST_DATA) / "adapters")) {
    const auto file = entry.path() / "adapter_config.json";
    if (!std::filesystem::exists(file)) continue;
    ++count;
    SCOPED_TRACE(file.string());
    const auto theirs = Json::parse_file(file);
    const auto ours = LoraConfig::from_dict(theirs, file.string()).to_dict();
    EXPECT_EQ(ours.size(), theirs.size());
    for (const auto& [key, value] : theirs.as_object()) {
      const bool is_list_of_it =
          ours.at(key).is_array() && ours.at(key).size() == 1 && ours.at(key).as_array()[0] == value;
      EXPECT_TRUE(ours.at(key) == value || is_list_of_it) << key << ": " << ours.at(key).dump();
    }
    EXPECT_EQ(LoraConfig::from_dict(ours).to_dict().dump(), ours.dump());
  }
  EXPECT_GT(count, 20u);
}

TEST(LoraConfig, DefaultsArePefts) {
  const auto config = LoraConfig::from_dict(Json::parse(R"({"peft_type": "LORA", "target_modules": ["q"]})"));
  EXPECT_EQ(config.r, 8);
  EXPECT_EQ(config.lora_alpha, 8);
  EXPECT_EQ(config.bias, "none");
  EXPECT_FALSE(config.use_rslora || config.use_dora || config.lora_bias || config.inference_mode);
  EXPECT_EQ(config.scaling(4, 8), 2);
  EXPECT_EQ((LoraConfig{.use_rslora = true}.scaling(4, 8)), 4);
}

TEST(LoraConfig, NamesTheKeyThatIsOfTheWrongKind) {
  for (const auto* text :
       {R"("r": 1.5)", R"("r": true)", R"("lora_alpha": "8")", R"("target_modules": [1])",
        R"("layers_to_transform": "x")", R"("rank_pattern": [1])", R"("bias": 1)", R"("modules_to_save": {"a": 1})"}) {
    const auto json =
        Json::parse(std::string(R"({"peft_type": "LORA", "target_modules": ["q"], )") + text + "}", "test");
    const std::string key = std::string(text).substr(1, std::string(text).find('"', 1) - 1);
    try {
      (void)LoraConfig::from_dict(json, "a.json");
      ADD_FAILURE() << text;
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr(key));
      EXPECT_THAT(error.what(), HasSubstr("a.json"));
    }
  }
}

}  // namespace
}  // namespace transformers
