// Adapters that are damaged, made for another model, or made to harm (P73).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter_cases.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Gives the message of what loading the adapter throws.
template <class Kind>
std::string refusal(const fs::path& folder, const LoadAdapterOptions& options = {}) {
  const logging::Capture quiet;
  const auto model = load_base("list");
  try {
    model->load_adapter(folder.string(), options);
  } catch (const Kind& error) {
    EXPECT_FALSE(model->has_adapters());
    EXPECT_EQ(difference(logits_of(*model, "list"), expected("list", "without"), kAdapterTolerance), "");
    return error.what();
  } catch (const Error& error) {
    return std::string("another kind: ") + error.what();
  }
  return "loaded";
}

TEST(HostileAdapters, RanksThatCannotBeAreRefused) {
  for (const int64_t rank : {int64_t{0}, int64_t{-4}, int64_t{1} << 40, INT64_MAX})
    EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("r", rank)), HasSubstr("expected a rank of 1 to 65536"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("rank_pattern", Json::parse(R"({"q_proj": 0})"))),
              HasSubstr("rank_pattern"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("r", "8")), HasSubstr("'r'"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("lora_dropout", 1.5)), HasSubstr("lora_dropout"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("lora_alpha", 1e300)), HasSubstr("lora_alpha"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("bias", "some")), HasSubstr("none, all or lora_only"));
}

TEST(HostileAdapters, ShapesThatDoNotFitAreNamed) {
  EXPECT_THAT(refusal<RuntimeError>(CopiedAdapter("list").with("r", 3)),
              ::testing::AllOf(HasSubstr("q_proj.lora_A.weight"), HasSubstr("[4, "), HasSubstr("[3, ")));
  const logging::Capture log;
  const auto model = load_base("list");
  CopiedAdapter copy("list");
  const auto info = model->load_adapter(copy.with("r", 3).string(), {.ignore_mismatched_sizes = true});
  EXPECT_EQ(info.mismatched_keys.size(), 8u);
  EXPECT_EQ(difference(logits_of(*model, "list"), expected("list", "without"), kAdapterTolerance), "");
}

TEST(HostileAdapters, ARankThatTheFileDoesNotHaveTakesNoMemory) {
  CopiedAdapter copy("list");
  copy.config["rank_pattern"] = Json::parse(R"({"gate_proj": 65536, "up_proj": 65536, "down_proj": 65536})");
  copy.config["target_modules"] = Json::parse(R"(["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"])");
  EXPECT_THAT(refusal<RuntimeError>(copy.write()), HasSubstr("do not belong together"));
}

TEST(HostileAdapters, ExpressionsThatTakeForEverAreStopped) {
  for (const auto* pattern : {"(.*.*.*.*.*.*)*=", "((a|.)*)*b", "(.+)+(.+)+(.+)+\\d\\d\\d\\d"})
    EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("target_modules", pattern)),
                ::testing::AnyOf(HasSubstr("takes too long"), HasSubstr("none of the modules")))
        << pattern;
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("target_modules", "((a|.)*)*b$")),
              HasSubstr("takes too long"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("target_modules", "(q_proj")),
              HasSubstr("is no regular expression"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("target_modules", "q_proj)|(x")),
              HasSubstr("is no regular expression"));
  CopiedAdapter copy("list");
  copy.config["rank_pattern"] = Json::parse(R"({"((a|.)*)*b": 2})");
  EXPECT_THAT(refusal<ValueError>(copy.write()), HasSubstr("takes too long"));
}

TEST(HostileAdapters, WhatWouldChangeTheNumbersIsNamed) {
  const auto named = [](const char* key, const char* value) {
    EXPECT_THAT(refusal<NotImplementedError>(CopiedAdapter("list").with(key, Json::parse(value))), HasSubstr(key));
  };
  EXPECT_THAT(refusal<NotImplementedError>(CopiedAdapter("list").with("peft_type", "IA3")), HasSubstr("'IA3'"));
  named("alora_invocation_tokens", "[1, 2]");
  named("layer_replication", "[[0, 1]]");
  named("target_parameters", R"(["x"])");
  named("trainable_token_indices", "[1]");
  named("use_qalora", "true");
  named("kasa_config", R"({"a": 1})");
  named("init_lora_weights", R"("pissa_niter_4")");
  named("something_of_the_future", "0.5");
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("peft_type", Json())), HasSubstr("peft_type"));
}

TEST(HostileAdapters, TargetsThatAreNotThereAreNamed) {
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("target_modules", Json::parse(R"(["c_attn"])"))),
              HasSubstr("c_attn"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("target_modules", Json::parse(R"(["mlp"])"))),
              HasSubstr("model.layers.0.mlp"));
  EXPECT_THAT(refusal<ValueError>(CopiedAdapter("list").with("target_modules", Json())), HasSubstr("target_modules"));
  EXPECT_THAT(refusal<RuntimeError>(CopiedAdapter("list").with("target_modules", Json::parse(R"(["o_proj"])"))),
              HasSubstr("none of the"));
  const logging::Capture log;
  const auto model = load_base("list");
  CopiedAdapter half("list");
  const auto info = model->load_adapter(half.with("target_modules", Json::parse(R"(["q_proj", "k_proj"])")).string());
  EXPECT_EQ(info.unexpected_keys.size(), 4u);  // of v_proj
  EXPECT_EQ(info.missing_keys.size(), 4u);     // of k_proj
  EXPECT_TRUE(log.contains("v_proj.lora_A", logging::Level::Warning));
  EXPECT_TRUE(log.contains("k_proj.lora_A", logging::Level::Warning));
}

TEST(HostileAdapters, FoldersThatAreNoneAreNamed) {
  CopiedAdapter copy("list");
  fs::remove(copy.folder / "adapter_model.safetensors");
  EXPECT_THAT(refusal<OSError>(copy.folder), HasSubstr("adapter_model.safetensors"));
  write_text_atomic(copy.folder / "adapter_model.safetensors", "x");
  EXPECT_THAT(refusal<OSError>(copy.folder), HasSubstr("adapter_model.safetensors"));
  write_text_atomic(copy.folder / "adapter_config.json", "[");
  EXPECT_THAT(refusal<OSError>(copy.folder), HasSubstr("adapter_config.json"));
  EXPECT_THAT(refusal<OSError>(base_folder("list")), HasSubstr("adapter_config.json"));
}

}  // namespace
}  // namespace transformers::testing
