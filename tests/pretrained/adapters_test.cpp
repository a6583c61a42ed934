// LoRA adapters against peft (P52, P73, X10, C09).
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter_cases.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/generation/generate.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/save.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kHalfTolerance = 2e-2;  // C09

class Adapters : public ::testing::TestWithParam<std::string> {
 protected:
  logging::Capture quiet;
  std::string name = GetParam();
};

TEST_P(Adapters, LogitsEqualPeft) {  // X10, C09
  const auto model = load_base(name);
  EXPECT_EQ(difference(logits_of(*model, name), expected(name, "without"), kAdapterTolerance), "");
  const auto info = model->load_adapter((adapters() / name).string());
  EXPECT_TRUE(info.missing_keys.empty()) << *info.missing_keys.begin();
  EXPECT_TRUE(info.unexpected_keys.empty()) << *info.unexpected_keys.begin();
  EXPECT_EQ(difference(logits_of(*model, name), expected(name), kAdapterTolerance), "");
  EXPECT_THAT(model->active_adapters(), ElementsAre("default"));
  model->disable_adapters();
  EXPECT_EQ(difference(logits_of(*model, name), expected(name, "without"), kAdapterTolerance), "");
  model->enable_adapters();
  EXPECT_EQ(difference(logits_of(*model, name), expected(name), kAdapterTolerance), "");
  model->delete_adapter("default");
  EXPECT_FALSE(model->has_adapters());
  EXPECT_EQ(difference(logits_of(*model, name), expected(name, "without"), kAdapterTolerance), "");
}

TEST_P(Adapters, SavedFilesHoldWhatPeftWrote) {  // P52
  const auto model = load_base(name);
  model->load_adapter((adapters() / name).string());
  const TemporaryFolder saved;
  model->save_pretrained(saved.path);
  EXPECT_FALSE(fs::exists(saved.path / "config.json"));
  const auto ours = read_tensors(saved.path / "adapter_model.safetensors");
  const auto theirs = read_tensors(adapters() / name / "adapter_model.safetensors");
  for (const auto& [key, tensor] : theirs) {
    ASSERT_TRUE(ours.contains(key)) << key;
    EXPECT_EQ(difference(ours.at(key), tensor, 0), "") << key;
  }
  EXPECT_EQ(ours.size(), theirs.size());
  auto config = Json::parse_file(saved.path / "adapter_config.json"),
       their_config = Json::parse_file(adapters() / name / "adapter_config.json");
  for (const auto& [key, value] : their_config.as_object()) {
    ASSERT_TRUE(config.contains(key)) << key;
    // peft also takes one name or number for a list of one.
    const auto& ours_value = config.at(key);
    EXPECT_TRUE(ours_value == value ||
                (ours_value.is_array() && ours_value.size() == 1 && ours_value.as_array()[0] == value))
        << key << " is " << ours_value.dump() << ", expected " << value.dump();
  }
  const auto again = load_base(name);
  again->load_adapter(saved.path.string());
  EXPECT_EQ(difference(logits_of(*again, name), expected(name), kAdapterTolerance), "");
  keep_for_peft(*model, name, expected(name));
}

TEST_P(Adapters, MergingKeepsTheNumbers) {
  const auto model = load_base(name);
  model->load_adapter((adapters() / name).string());
  if (name == "lora_bias") {
    EXPECT_THROW(model->merge_and_unload(), NotImplementedError);
    EXPECT_EQ(difference(logits_of(*model, name), expected(name), kAdapterTolerance), "");
    return;
  }
  model->merge_and_unload();
  EXPECT_FALSE(model->has_adapters());
  EXPECT_EQ(difference(logits_of(*model, name), expected(name), 1e-5), "");
  for (const auto& [key, tensor] : model->state_dict()) {
    EXPECT_EQ(key.find("lora_"), std::string::npos) << key;
    EXPECT_FALSE(tensor.requires_grad()) << key;  // frozen, as peft leaves them
  }
}

TEST_P(Adapters, MergingTakesTheActiveOnesThoughTheyAreDisabled) {  // X10
  const auto model = load_base(name);
  model->load_adapter((adapters() / name).string());
  model->disable_adapters();
  if (name == "lora_bias") {
    EXPECT_THROW(model->merge_and_unload(), NotImplementedError);
    EXPECT_EQ(difference(logits_of(*model, name), expected(name, "without"), kAdapterTolerance), "");
    return;
  }
  model->merge_and_unload();
  EXPECT_EQ(difference(logits_of(*model, name), expected(name), 1e-5), "");
}

TEST_P(Adapters, RunInBfloat16AndOffloaded) {  // C09, L
  const auto half = load_base(name, {.dtype = "bfloat16"});
  half->load_adapter((adapters() / name).string());
  auto reference = load_base(name, {.dtype = "bfloat16"});
  reference->load_adapter((adapters() / name).string());
  reference->to(at::kFloat);  // the same rounded weights, computed exactly
  const auto exact = logits_of(*reference, name);
  EXPECT_LT((logits_of(*half, name).to(at::kFloat) - exact).abs().max().item<double>(),
            std::max(kHalfTolerance, 0.02 * exact.abs().max().item<double>()));
  EXPECT_EQ(half->get_adapter_state_dict().begin()->second.scalar_type(), at::kBFloat16);
  const auto offloaded = load_base(name, {.device_map = DeviceMap{{"", "disk"}}});
  offloaded->load_adapter((adapters() / name).string());
  EXPECT_EQ(difference(logits_of(*offloaded, name), expected(name), kAdapterTolerance), "");
  EXPECT_EQ(difference(logits_of(*offloaded, name), expected(name), kAdapterTolerance), "");
  offloaded->disable_adapters();
  EXPECT_EQ(difference(logits_of(*offloaded, name), expected(name, "without"), kAdapterTolerance), "");
}

TEST_P(Adapters, GradientsReachTheAdapterAlone) {  // X10, P15
  const auto model = load_base(name);
  model->load_adapter((adapters() / name).string(), {.is_trainable = true});
  model->train();
  const auto logits = model->forward(inputs_of(name)).logits;
  logits.pow(2).sum().backward();
  std::set<const void*> own;
  for (const auto& [key, tensor] : model->get_adapter_state_dict()) {
    own.insert(tensor.unsafeGetTensorImpl());
    EXPECT_TRUE(tensor.requires_grad()) << key;
    EXPECT_TRUE(tensor.grad().defined()) << key;
  }
  EXPECT_FALSE(own.empty());
  for (const auto& [key, tensor] : model->state_dict()) {
    if (own.contains(tensor.unsafeGetTensorImpl())) continue;
    EXPECT_FALSE(tensor.requires_grad()) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Adapters, ::testing::ValuesIn(adapter_cases()),
                         [](const auto& row) { return row.param; });

TEST(AdapterLoading, TheBaseIsFoundFromTheFolder) {  // P73
  const logging::Capture quiet;
  for (const bool is_inside : {false, true}) {
    CopiedAdapter adapter("list");
    fs::copy(base_folder("list"), (is_inside ? adapter.folder : adapter.temporary.path) / "base",
             fs::copy_options::recursive);
    adapter.with("base_model_name_or_path", "base");
    const auto loaded = AutoModelForCausalLM::from_pretrained(adapter.folder.string(), {.output_loading_info = true});
    EXPECT_TRUE(loaded.loading_info->missing_keys.empty());
    EXPECT_THAT(loaded->active_adapters(), ElementsAre("default"));
    EXPECT_EQ(difference(logits_of(*loaded, "list"), expected("list"), kAdapterTolerance), "");
    EXPECT_FALSE(loaded->is_training());
  }
  CopiedAdapter adapter("list");
  adapter.with("base_model_name_or_path", base_folder("list").string());
  const auto loaded = AutoModelForCausalLM::from_pretrained(adapter.folder.string() + "/", {.adapter_name = "mine"});
  EXPECT_EQ(difference(logits_of(*loaded, "list"), expected("list"), kAdapterTolerance), "");
  EXPECT_THAT(loaded->active_adapters(), ElementsAre("mine"));
}

TEST(AdapterLoading, AModelBesideTheAdapterIsTheBase) {  // P73: as the reference does
  const logging::Capture quiet;
  CopiedAdapter adapter("list");
  adapter.with("base_model_name_or_path", "nowhere/at-all");
  for (const auto* file : {"config.json", "model.safetensors"}) fs::copy(base_folder("list") / file, adapter.folder);
  const auto loaded = AutoModelForCausalLM::from_pretrained(adapter.folder.string());
  EXPECT_EQ(difference(logits_of(*loaded, "list"), expected("list"), kAdapterTolerance), "");
}

TEST(AdapterLoading, SaysWhichBaseIsMissing) {  // P73
  const logging::Capture quiet;
  const auto load = [](const fs::path& folder) {
    try {
      (void)AutoModelForCausalLM::from_pretrained(folder.string(), {.local_files_only = true});
      return std::string("loaded");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  CopiedAdapter adapter("list");
  EXPECT_THAT(load(adapter.with("base_model_name_or_path", "../nowhere")),
              HasSubstr("there is no base model '../nowhere'"));
  EXPECT_THAT(load(adapter.with("base_model_name_or_path", "no-one/nothing")),
              HasSubstr("there is no base model 'no-one/nothing'"));
  EXPECT_THAT(load(adapter.with("base_model_name_or_path", Json())), HasSubstr("names no base model"));
  EXPECT_THAT(load(adapter.with("base_model_name_or_path", adapter.folder.string())),
              HasSubstr("is itself an adapter"));
}

TEST(AdapterLoading, SeveralAdaptersAddUp) {  // X10
  const logging::Capture quiet;
  const auto model = load_base("list");
  const auto ids = inputs_of("list");
  model->load_adapter((adapters() / "list").string(), {.adapter_name = "a"});
  model->load_adapter((adapters() / "expression").string(), {.adapter_name = "b"});
  EXPECT_THAT(model->active_adapters(), ElementsAre("b"));  // as in the reference, the newest
  const at::NoGradGuard no_grad;
  model->set_adapter("a");
  EXPECT_EQ(difference(logits_of(*model, "list"), expected("list"), kAdapterTolerance), "");
  model->set_adapter({"a", "b"});
  EXPECT_GT((logits_of(*model, "list") - expected("list")).abs().max().item<double>(), 1e-3);
  const auto both = logits_of(*model, "list");
  model->merge_and_unload();
  EXPECT_EQ(difference(logits_of(*model, "list"), both, 1e-5), "");
}

TEST(AdapterLoading, DeletingTheActiveAdapterLeavesAnother) {  // X10
  const logging::Capture log;
  const auto model = load_base("list");
  for (const auto* name : {"c", "b"}) model->load_adapter((adapters() / "list").string(), {.adapter_name = name});
  EXPECT_THROW(model->delete_adapter("x"), ValueError);
  EXPECT_THROW(model->set_adapter({"b", "x"}), ValueError);
  EXPECT_THROW(model->load_adapter((adapters() / "list").string(), {.adapter_name = "b"}), ValueError);
  EXPECT_THROW(model->load_adapter((adapters() / "list").string(), {.adapter_name = "a.b"}), ValueError);
  model->delete_adapter("b");
  EXPECT_THAT(model->active_adapters(), ElementsAre("c"));
  EXPECT_EQ(difference(logits_of(*model, "list"), expected("list"), kAdapterTolerance), "");
  model->delete_adapter({"c"});
  EXPECT_THROW(model->active_adapters(), ValueError);
  EXPECT_THROW(model->disable_adapters(), ValueError);
  for (const auto& [key, tensor] : model->state_dict()) EXPECT_EQ(key.find("lora"), std::string::npos) << key;
}

TEST(AdapterLoading, StateDictsAndNamesAreTheReferences) {  // X10
  const logging::Capture quiet;
  const auto model = load_base("embedding");
  const auto before = model->state_dict();
  model->load_adapter((adapters() / "embedding").string());
  for (const auto& [key, tensor] : before) EXPECT_TRUE(model->state_dict().contains(key)) << key;
  EXPECT_TRUE(model->state_dict().contains("model.layers.0.self_attn.q_proj.lora_A.default.weight"));
  const auto state = model->get_adapter_state_dict();
  EXPECT_TRUE(state.contains("model.layers.0.self_attn.q_proj.lora_A.weight"));
  EXPECT_TRUE(state.contains("model.embed_tokens.lora_embedding_A"));
  const auto other = load_base("embedding");
  other->load_adapter(std::nullopt, {.peft_config = model->peft_config().at("default"), .adapter_state_dict = state});
  EXPECT_EQ(difference(logits_of(*other, "embedding"), expected("embedding"), kAdapterTolerance), "");
  EXPECT_THROW(other->load_adapter(std::nullopt, {}), ValueError);
}

TEST(AdapterLoading, AnAdapterOfTheBodyFitsTheModelWithAHead) {  // P63
  const logging::Capture quiet;
  CopiedAdapter adapter("list");
  StateDict state;
  for (const auto& [key, tensor] : read_tensors(adapter.folder / "adapter_model.safetensors"))
    state.set(replace_all(key, "base_model.model.model.", "base_model.model."), tensor);
  const auto model = load_base("list");
  model->load_adapter(std::nullopt,
                      {.peft_config = LoraConfig::from_dict(adapter.config), .adapter_state_dict = state});
  EXPECT_EQ(difference(logits_of(*model, "list"), expected("list"), kAdapterTolerance), "");
}

TEST(AdapterLoading, OneBodyOfNamesMayBeReplacedByOneAdapterOnly) {
  const logging::Capture quiet;
  const auto model = load_base("head");
  model->load_adapter((adapters() / "head").string(), {.adapter_name = "a"});
  model->load_adapter((adapters() / "head").string(), {.adapter_name = "b"});
  EXPECT_THROW(model->set_adapter({"a", "b"}), ValueError);
  EXPECT_EQ(difference(logits_of(*model, "head"), expected("head"), kAdapterTolerance), "");
  model->to(at::kDouble);
  model->to(at::kFloat);
  EXPECT_EQ(difference(logits_of(*model, "head"), expected("head"), kAdapterTolerance), "");
  model->tie_weights();
  EXPECT_EQ(difference(logits_of(*model, "head"), expected("head"), kAdapterTolerance), "");
}

TEST(AdapterLoading, ModulesToSaveThatNoModelHasAreRefused) {  // X10
  const logging::Capture quiet;
  const auto model = load_base("list");
  EXPECT_THROW(model->add_adapter({.target_modules = {"q_proj"}, .modules_to_save = {"score"}}), ValueError);
  EXPECT_FALSE(model->has_adapters());
  model->add_adapter({.target_modules = {"q_proj"}, .modules_to_save = {"score", "lm_head"}});  // as peft names both
  EXPECT_TRUE(model->has_adapters());
}

TEST(AdapterLoading, GeneratesWithTheAdapter) {
  const logging::Capture quiet;
  const auto model = load_base("list");
  const GenerateOptions options{.kwargs = Json::parse(R"({"max_new_tokens": 8, "do_sample": false})")};
  const auto prompt = inputs_of("list");
  const auto without = model->generate(prompt, options);
  model->load_adapter((adapters() / "list").string());
  const auto with = model->generate(prompt, options);
  model->merge_and_unload();
  const auto merged = model->generate(prompt, options);
  EXPECT_TRUE(with.sequences.equal(merged.sequences));
  EXPECT_FALSE(with.sequences.equal(without.sequences));
}

TEST(AdapterTraining, AFreshAdapterChangesNothingUntilItIsTrained) {  // X10
  const logging::Capture quiet;
  for (const auto& config : {LoraConfig{.r = 2, .target_modules = {"q_proj", "v_proj"}, .modules_to_save = {"lm_head"}},
                             LoraConfig{.r = 2, .target_modules = "all-linear", .use_dora = true},
                             LoraConfig{.target_modules = {"embed_tokens"}, .init_lora_weights = "gaussian"}}) {
    const auto model = load_base("list");
    model->add_adapter(config);
    EXPECT_EQ(difference(logits_of(*model, "list"), expected("list", "without"), kAdapterTolerance), "");
    EXPECT_EQ(model->peft_config().at("default").base_model_name_or_path, base_folder("list").string());
    model->train();
    auto inputs = inputs_of("list");
    inputs.labels = inputs.input_ids;
    double first = 0, last = 0;
    for (int step = 0; step < 10; ++step) {  // plain gradient descent, by hand
      const auto loss = model->forward(inputs).loss;
      last = loss.item<double>();
      if (step == 0) first = last;
      loss.backward();
      const at::NoGradGuard no_grad;
      for (auto& [key, tensor] : model->get_adapter_state_dict()) {
        auto value = tensor;
        ASSERT_TRUE(value.grad().defined()) << key;
        value.sub_(value.grad(), 0.5);
        value.mutable_grad().zero_();
      }
    }
    EXPECT_LT(last, first - 1e-4);
    model->eval();
    const auto trained = logits_of(*model, "list");
    const TemporaryFolder saved;
    model->save_pretrained(saved.path, {.safe_serialization = false, .save_peft_format = false});
    EXPECT_TRUE(fs::exists(saved.path / "adapter_model.bin"));
    EXPECT_FALSE(fs::exists(saved.path / "adapter_model.safetensors"));
    const auto again = AutoModelForCausalLM::from_pretrained(saved.path.string());
    EXPECT_EQ(difference(logits_of(*again, "list"), trained, kAdapterTolerance), "");
    keep_for_peft(*model,
                  str("trained_", config.use_dora                  ? "dora"
                                  : config.modules_to_save.empty() ? "embedding"
                                                                   : "head"),
                  trained);
  }
}

TEST(AdapterTraining, DropoutIsForTrainingAlone) {
  const logging::Capture quiet;
  const auto model = load_base("list");
  model->load_adapter((adapters() / "list").string(), {.is_trainable = true});
  EXPECT_EQ(difference(logits_of(*model, "list"), expected("list"), kAdapterTolerance), "");
  model->train();
  EXPECT_GT((logits_of(*model, "list") - logits_of(*model, "list")).abs().max().item<double>(), 0);
}

TEST(AdapterSaving, OneAdapterIsSavedAtATime) {  // P52
  const logging::Capture quiet;
  const auto model = load_base("list");
  model->load_adapter((adapters() / "list").string(), {.adapter_name = "a"});
  model->load_adapter((adapters() / "expression").string(), {.adapter_name = "b"});
  model->set_adapter({"a", "b"});
  const TemporaryFolder saved;
  EXPECT_THROW(model->save_pretrained(saved.path), ValueError);
  EXPECT_TRUE(fs::is_empty(saved.path));
  model->set_adapter("a");
  model->save_pretrained(saved.path);
  EXPECT_EQ(Json::parse_file(saved.path / "adapter_config.json").at("r").as_int(), 4);
  for (const auto& [key, tensor] : read_tensors(saved.path / "adapter_model.safetensors"))
    EXPECT_TRUE(key.starts_with("base_model.model.")) << key;
  model->save_pretrained(saved.path, {.save_peft_format = false});
  for (const auto& [key, tensor] : read_tensors(saved.path / "adapter_model.safetensors"))
    EXPECT_TRUE(key.starts_with("model.layers.")) << key;
}

}  // namespace
}  // namespace transformers::testing
