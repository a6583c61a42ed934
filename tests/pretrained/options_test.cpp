// C02: every field that we share with the reference has its default there.
#include <gtest/gtest.h>

#include "golden.h"
#include "transformers/base/size.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/sentence_transformer.h"

namespace transformers::testing {
namespace {

using Fields = std::vector<std::pair<std::string, Json>>;

template <class T>
Json json_of(const std::optional<T>& value) {
  if constexpr (std::is_constructible_v<Json, T>) return value ? Json(*value) : Json();
  return value ? Json("is set") : Json();
}
template <class T>
Json json_of(const std::vector<T>& value) {
  return value.empty() ? Json() : Json("is set");
}
template <class T>
Json json_of(const std::shared_ptr<T>& value) {
  return value ? Json("is set") : Json();
}
Json json_of(const Json& value) { return value; }

void expect_defaults(const std::string& name, const Fields& ours) {
  const auto golden = Json::parse_file(data_folder() / "options.json").at(name);
  for (const auto& [field, value] : ours) {
    const auto* theirs = golden.find(field);
    ASSERT_TRUE(theirs) << name << "::" << field << " is no argument of the reference";
    EXPECT_EQ(value, *theirs) << name << "::" << field << " is " << value.dump() << ", expected " << theirs->dump();
  }
}

#define FIELD(options, name) \
  { #name, json_of(options.name) }

TEST(Options, FromPretrainedHasTheDefaultsOfTheReference) {
  const FromPretrainedOptions o;
  expect_defaults("FromPretrainedOptions", {FIELD(o, config), FIELD(o, cache_dir), FIELD(o, ignore_mismatched_sizes),
                                            FIELD(o, local_files_only), FIELD(o, revision), FIELD(o, use_safetensors)});
  // Keyword arguments there, without a default in the signature: absent is None, and an absent subfolder is "".
  EXPECT_FALSE(o.state_dict || o.attn_implementation || o.dtype || o.variant || o.key_mapping);
  EXPECT_FALSE(o.output_loading_info);
  EXPECT_EQ(o.subfolder, "");
  EXPECT_EQ(o.kwargs, Json::object());
}

TEST(Options, SavePretrainedHasTheDefaultsOfTheReference) {
  const SavePretrainedOptions o;
  expect_defaults("SavePretrainedOptions",
                  {FIELD(o, is_main_process), FIELD(o, state_dict), FIELD(o, variant), FIELD(o, save_original_format)});
  EXPECT_EQ(parse_size(o.max_shard_size), 50'000'000'000);
}

TEST(Options, ConfigFromPretrainedHasTheDefaultsOfTheReference) {
  const ConfigFromPretrainedOptions o;
  expect_defaults("ConfigFromPretrainedOptions", {FIELD(o, cache_dir), FIELD(o, revision)});
  EXPECT_EQ(o.subfolder, "");
}

TEST(Options, TokenizerCallsHaveTheDefaultsOfTheReference) {
  const PreTrainedTokenizer::CallOptions o;
  expect_defaults("CallOptions", {FIELD(o, add_special_tokens), FIELD(o, padding), FIELD(o, max_length),
                                  FIELD(o, pad_to_multiple_of), FIELD(o, stride)});
  EXPECT_FALSE(o.truncation);  // None there, which is False unless max_length is given
  EXPECT_FALSE(o.padding_side);
  const PreTrainedTokenizer::ChatOptions chat;
  expect_defaults("ChatOptions", {FIELD(chat, add_generation_prompt), FIELD(chat, tools), FIELD(chat, chat_template)});
}

TEST(Options, GenerateAndEncodeHaveTheDefaultsOfTheReference) {
  const GenerateOptions o;
  expect_defaults("GenerateOptions", {FIELD(o, generation_config), FIELD(o, logits_processor),
                                      FIELD(o, stopping_criteria), FIELD(o, streamer)});
  const SentenceTransformer::EncodeOptions encode;
  expect_defaults("EncodeOptions", {FIELD(encode, batch_size)});
}

}  // namespace
}  // namespace transformers::testing
