// The statics of configs, models and Auto classes, and weights that come from memory or under other names (P57, P63,
// P72, X05, X07).
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/models/bert.h"
#include "transformers/models/gpt2.h"
#include "transformers/models/llama.h"
#include "transformers/models/t5.h"
#include "transformers/models/vit.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/detail/key_mapping.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

fs::path llama_folder() { return data_folder() / "llama" / "models" / "LlamaForCausalLM"; }

TEST(ConfigStatics, GiveTheTypedConfig) {
  const std::shared_ptr<LlamaConfig> config = LlamaConfig::from_pretrained(llama_folder().string());
  EXPECT_EQ(config->name_or_path, llama_folder().string());
  const auto same = LlamaConfig::from_json_file(llama_folder() / "config.json");
  EXPECT_EQ(same->to_dict(), config->to_dict());
  EXPECT_EQ(LlamaConfig::from_dict(Json::parse(R"({"hidden_size": 64})"))->hidden_size, 64);
  const auto changed =
      LlamaConfig::from_pretrained(llama_folder().string(), {.kwargs = Json::parse(R"({"rms_norm_eps": 0.5})")});
  EXPECT_EQ(changed->rms_norm_eps, 0.5);
  EXPECT_THAT(refusal<TypeError>([] {
                (void)LlamaConfig::from_pretrained(llama_folder().string(),
                                                   {.kwargs = Json::parse(R"({"colour": 1})")});
              }),
              HasSubstr("'colour'"));
}

TEST(ConfigStatics, OfTheBaseChooseTheClassByModelType) {
  const auto config = PretrainedConfig::from_pretrained((llama_folder() / "config.json").string());
  EXPECT_TRUE(std::dynamic_pointer_cast<LlamaConfig>(config));
  EXPECT_TRUE(std::dynamic_pointer_cast<T5Config>(PretrainedConfig::from_dict(Json::parse(R"({"model_type": "t5"})"))));
  EXPECT_THAT(refusal<ValueError>([] { (void)PretrainedConfig::from_dict(Json::object(), "here"); }),
              HasSubstr("here: has no 'model_type'"));
}

TEST(ConfigStatics, WarnOfAnotherModelType) {
  const logging::Capture log;
  EXPECT_EQ(BertConfig::from_dict(Json::parse(R"({"model_type": "llama", "hidden_size": 24})"))->hidden_size, 24);
  ASSERT_FALSE(log.records().empty());
  EXPECT_THAT(log.records()[0].text, AllOf(HasSubstr("'llama'"), HasSubstr("'bert'")));
}

TEST(ModelStatics, LoadTheirOwnClass) {
  const logging::Capture quiet;
  const LoadResult<LlamaForCausalLM> model = LlamaForCausalLM::from_pretrained(llama_folder().string());
  EXPECT_EQ(model->model_class().name, "LlamaForCausalLM");
  const auto body =
      LlamaModel::from_pretrained(llama_folder().string(), {.output_loading_info = true, .dtype = "bfloat16"});
  EXPECT_EQ(body->dtype(), at::kBFloat16);
  EXPECT_EQ(body.loading_info->unexpected_keys, std::set<std::string>({"lm_head.weight"}));
  EXPECT_EQ(from_pretrained<LlamaModel>(llama_folder().string())->model_class().name, "LlamaModel");
}

// A class without a loader of its own would give its base's.
template <class M>
void expect_own_loader() {
  static_assert(std::is_same_v<std::remove_const_t<decltype(M::from_pretrained)>, PretrainedLoader<M>>);
  EXPECT_TRUE(find_model_class(typeid(M)));
}

TEST(ModelStatics, AreEachClasssOwn) {
  expect_own_loader<BertModel>();
  expect_own_loader<BertForPreTraining>();
  expect_own_loader<BertLMHeadModel>();
  expect_own_loader<BertForMaskedLM>();
  expect_own_loader<BertForNextSentencePrediction>();
  expect_own_loader<BertForQuestionAnswering>();
  expect_own_loader<GPT2Model>();
  expect_own_loader<GPT2LMHeadModel>();
  expect_own_loader<GPT2DoubleHeadsModel>();
  expect_own_loader<T5Model>();
  expect_own_loader<T5ForConditionalGeneration>();
  expect_own_loader<T5ForQuestionAnswering>();
  expect_own_loader<T5EncoderModel>();
  expect_own_loader<T5ForSequenceClassification>();
  expect_own_loader<T5ForTokenClassification>();
  expect_own_loader<ViTModel>();
  expect_own_loader<ViTForImageClassification>();
  expect_own_loader<ViTForMaskedImageModeling>();
}

TEST(ModelConstructors, RefuseNoConfig) {
  EXPECT_THROW(LlamaModel{std::shared_ptr<LlamaConfig>()}, TypeError);
  EXPECT_THROW(LlamaForCausalLM{std::shared_ptr<LlamaConfig>()}, TypeError);
  EXPECT_THROW(GPT2DoubleHeadsModel{std::shared_ptr<GPT2Config>()}, TypeError);
  EXPECT_THROW(BertForMaskedLM{std::shared_ptr<BertConfig>()}, TypeError);
  EXPECT_THROW(T5Model{std::shared_ptr<T5Config>()}, TypeError);
}

std::shared_ptr<LlamaConfig> tiny_llama() {
  auto config = std::make_shared<LlamaConfig>();
  config->vocab_size = 32;
  config->hidden_size = 16;
  config->intermediate_size = 32;
  config->num_hidden_layers = 2;
  config->num_attention_heads = 4;
  return config;
}

TEST(ModelConstructors, NameTheActivationThatIsUnknown) {
  auto config = tiny_llama();
  config->hidden_act = "wiggle";
  EXPECT_THAT(refusal<ValueError>([&] { LlamaModel{config}; }),
              AllOf(HasSubstr("'hidden_act'"), HasSubstr("'wiggle'"), HasSubstr("known are gelu, ")));
}

// P21: the numbers are the reference's for this config.
TEST(MemoryFootprint, CountsTheBuffersOfTheRotaryEmbedding) {
  LlamaModel model(tiny_llama());
  EXPECT_EQ(model.get_memory_footprint(), 22864);
  EXPECT_EQ(model.get_memory_footprint(false), 22848);
  model.to(at::kBFloat16);
  EXPECT_EQ(model.named_buffers()["rotary_emb.inv_freq"].scalar_type(), at::kBFloat16);
  EXPECT_FALSE(model.state_dict().contains("rotary_emb.inv_freq"));
}

TEST(Errors, NameTheConfigFileAndNotItsFolder) {
  const TemporaryFolder folder;
  const auto write = [&](std::string_view from, std::string_view to) {
    write_text_atomic(folder.path / "config.json", replace_all(read_text(llama_folder() / "config.json"), from, to));
  };
  const auto file = (folder.path / "config.json").string();
  const auto load = [&] { (void)LlamaForCausalLM::from_pretrained(folder.path.string()); };
  fs::copy_file(llama_folder() / "model.safetensors", folder.path / "model.safetensors");
  write("\"silu\"", "\"wiggle\"");
  EXPECT_THAT(refusal<ValueError>(load), AllOf(HasSubstr(file), HasSubstr("'hidden_act'"), HasSubstr("'wiggle'")));
  write("\"rms_norm_eps\": ", "\"rms_norm_eps\": -");
  EXPECT_THAT(refusal<ValueError>(load), AllOf(HasSubstr(file), HasSubstr("'rms_norm_eps' is -")));
  fs::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_THAT(refusal<OSError>(load), HasSubstr(file + ": is a named pipe"));
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_THAT(refusal<OSError>(load), HasSubstr(file + ": is a folder"));
}

TEST(StateDictArgument, LoadsAsAFileDoesAndChangesNothing) {
  const logging::Capture quiet;
  const auto from_file = LlamaForCausalLM::from_pretrained(llama_folder().string());
  const auto state = from_file->state_dict();
  const auto before = state.at("lm_head.weight").clone();
  const auto loaded = LlamaForCausalLM::from_pretrained(
      std::nullopt, {.config = from_file->config, .state_dict = state, .output_loading_info = true});
  EXPECT_TRUE(loaded.loading_info->missing_keys.empty());
  EXPECT_FALSE(loaded->is_training());
  for (const auto& [name, tensor] : loaded->state_dict()) EXPECT_TRUE(at::equal(tensor, state.at(name))) << name;
  {
    const at::NoGradGuard no_grad;
    loaded->state_dict().at("lm_head.weight").zero_();
  }
  EXPECT_TRUE(at::equal(state.at("lm_head.weight"), before));
}

TEST(StateDictArgument, StandsAloneWithAConfig) {
  const auto config = tiny_llama();
  EXPECT_THAT(refusal<ValueError>(
                  [&] { (void)LlamaModel::from_pretrained("m", {.config = config, .state_dict = StateDict()}); }),
              AllOf(HasSubstr("state_dict"), HasSubstr("'m'")));
  EXPECT_THROW((void)LlamaModel::from_pretrained(std::nullopt), ValueError);
  EXPECT_THROW((void)LlamaModel::from_pretrained(std::nullopt, {.config = config}), ValueError);
  EXPECT_THROW((void)LlamaModel::from_pretrained(std::nullopt, {.state_dict = StateDict()}), ValueError);
}

detail::KeyMapping renames(const std::string& from, const std::string& to) {
  return detail::KeyMapping(std::map<std::string, std::string>{{from, to}});
}

TEST(KeyMapping, RenamesByTheFirstExpressionThatIsFound) {
  const detail::KeyMapping mapping(
      std::map<std::string, std::string>{{R"(^layer\.(\d+)\.)", R"(layers.\1.)"}, {"o", "0"}, {"x+", "-"}});
  EXPECT_EQ(mapping("layer.12.weight"), "layers.12.weight");
  EXPECT_EQ(mapping("foox"), "f00x");
  EXPECT_EQ(renames("x*", "-")("ab"), "-a-b-");
  EXPECT_EQ(renames("(a)|b", R"(<\g<0>\1\\>)")("ab"), R"(<aa\><b\>)");
  EXPECT_EQ(renames("z", "y")("abc"), "abc");
}

TEST(KeyMapping, RefusesWhatIsNoExpression) {
  EXPECT_THAT(refusal<ValueError>([] { renames("(", ""); }), HasSubstr("'('"));
  EXPECT_THAT(refusal<ValueError>([] { renames("a", R"(\1)"); }), HasSubstr("the group 1"));
  EXPECT_THAT(refusal<ValueError>([] { renames("a", R"(\q)"); }), HasSubstr("unknown escape"));
  EXPECT_THAT(refusal<ValueError>([] { (void)renames("^(a|a|b?)*c$", "")(std::string(60, 'a') + "!c"); }),
              HasSubstr("takes too long"));
}

TEST(KeyMapping, AppliesBeforeKeysAreMatched) {
  const logging::Capture quiet;
  const auto from_file = LlamaForCausalLM::from_pretrained(llama_folder().string());
  StateDict renamed;
  for (const auto& [name, tensor] : from_file->state_dict()) renamed.set(replace_all(name, "layers", "blocks"), tensor);
  const auto loaded = LlamaForCausalLM::from_pretrained(
      std::nullopt, {.config = from_file->config,
                     .state_dict = renamed,
                     .output_loading_info = true,
                     .key_mapping = std::map<std::string, std::string>{{R"(\bblocks\b)", "layers"}}});
  EXPECT_TRUE(loaded.loading_info->missing_keys.empty());
  EXPECT_TRUE(loaded.loading_info->unexpected_keys.empty());
}

struct MineConfig final : PretrainedConfig {
  int64_t hidden_size = 4;
  TRANSFORMERS_CONFIG(MineConfig, "mine", hidden_size)
};

class MineModel final : public PreTrainedModel {
 public:
  using Config = MineConfig;
  static constexpr PretrainedLoader<MineModel> from_pretrained = {};
  explicit MineModel(const std::shared_ptr<MineConfig>& c)
      : PreTrainedModel(c), layer(child<nn::Linear>("layer", {.in = c->hidden_size, .out = 2})) {
    post_init();
  }

 protected:
  ModelOutput run(const ModelInputs& in) override { return {.logits = layer(in.inputs_embeds)}; }

 private:
  nn::Ref<nn::Linear> layer;
};

TEST(AutoClasses, TakeTheUsersOwn) {  // X05
  AutoConfig::register_("mine", make_config<MineConfig>);
  EXPECT_THAT(refusal<ValueError>([] { AutoConfig::register_("mine", make_config<MineConfig>); }),
              HasSubstr("'mine' is registered already"));
  AutoConfig::register_("mine", make_config<MineConfig>, true);
  EXPECT_THROW(AutoConfig::register_("bert", make_config<BertConfig>, true), ValueError);
  EXPECT_THROW(AutoConfig::register_("other", make_config<MineConfig>), ValueError);
  AutoModel::register_("mine", model_class<MineModel>("MineModel", Task::Base));
  EXPECT_THROW(AutoModel::register_("mine", model_class<MineModel>("MineModel", Task::Base)), ValueError);
  EXPECT_THROW(AutoModel::register_("nobodys", model_class<MineModel>("MineModel", Task::Base)), ValueError);
  const auto model = AutoModel::from_config(AutoConfig::for_model("mine"));
  EXPECT_EQ(model->model_class().name, "MineModel");
  const TemporaryFolder folder;
  model->save_pretrained(folder.path);
  const auto again = AutoModel::from_pretrained(folder.path.string());
  EXPECT_TRUE(at::equal(again->state_dict().at("layer.weight"), model->state_dict().at("layer.weight")));
  EXPECT_EQ(MineModel::from_pretrained(folder.path.string())->model_class().name, "MineModel");
}

TEST(Architectures, RefuseWhatWouldFailLater) {
  const auto message = [](const std::string& type, const char* fields) {
    auto json = Json::parse(fields);
    json["model_type"] = type;
    return refusal<ValueError>([&] { (void)PretrainedConfig::from_dict(json, "c.json"); });
  };
  EXPECT_THAT(message("llama", R"({"hidden_size": 16, "num_attention_heads": 3, "head_dim": 4})"),
              HasSubstr("'hidden_size' is 16"));
  EXPECT_THAT(message("llama", R"({"initializer_range": 2.0})"), HasSubstr("'initializer_range' is 2.0"));
  EXPECT_THAT(message("bert", R"({"pad_token_id": 30522})"), HasSubstr("'pad_token_id' is 30522"));
  EXPECT_THAT(message("bert", R"({"num_attention_heads": 5})"), HasSubstr("c.json: 'hidden_size' is 768"));
  EXPECT_THAT(message("gpt2", R"({"n_head": 5})"), HasSubstr("'n_embd' is 768, expected a multiple of 'n_head'"));
  EXPECT_THAT(message("vit", R"({"patch_size": 0})"), HasSubstr("c.json: patch_size is 0"));
  EXPECT_THAT(message("vit", R"({"patch_size": 512})"), HasSubstr("more than the image_size"));
  EXPECT_THAT(message("vit", R"({"encoder_stride": 0})"), HasSubstr("'encoder_stride' is 0"));
  EXPECT_THAT(message("vit", R"({"encoder_stride": 40000})"), HasSubstr("from 1 to 32768"));
  EXPECT_THAT(message("t5", R"({"relative_attention_num_buckets": 2})"),
              HasSubstr("'relative_attention_num_buckets' is 2"));
  EXPECT_THAT(message("t5", R"({"relative_attention_max_distance": 16})"), HasSubstr("more than half of"));
  EXPECT_THAT(message("qwen2", R"({"layer_types": ["full_attention"]})"), HasSubstr("each of the 32 layers"));
  // The reference builds these, too.
  EXPECT_THAT(message("t5", R"({"pad_token_id": 40000})"), HasSubstr("nothing was thrown"));
  EXPECT_THAT(message("vit", R"({"patch_size": 13})"), HasSubstr("nothing was thrown"));
  EXPECT_THAT(message("qwen3", R"({"num_attention_heads": 24, "num_key_value_heads": 8})"),
              HasSubstr("nothing was thrown"));
}

}  // namespace
}  // namespace transformers::testing
