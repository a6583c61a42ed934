// Names, shapes, ties and configs of every class against the reference (P04, P09, P17, P36, P48, P64, X05, X07, X08).
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/save.h"

namespace transformers::testing {
namespace {

std::vector<std::string> with_names() {
  std::vector<std::string> out;
  for (const auto& name : golden_folders())
    if (std::filesystem::exists(data_folder() / name / "names.json")) out.push_back(name);
  return out;
}

std::vector<int64_t> shape_of(const Json& json) {
  std::vector<int64_t> shape;
  for (const auto& item : json.as_array()) shape.push_back(item.as_int());
  return shape;
}

class Structure : public ::testing::TestWithParam<std::string> {
 protected:
  std::filesystem::path folder = data_folder() / GetParam();
  Json names = Json::parse_file(folder / "names.json");
};

std::shared_ptr<PreTrainedModel> on_meta(const std::filesystem::path& folder, const std::string& name,
                                         const Json& row) {
  const auto* construct = row.find("construct");
  const auto config = AutoConfig::from_pretrained((folder / row.at("config").as_string()).string());
  const nn::ParameterScope scope({.device = at::kMeta});
  const auto* model_class = find_model_class(name);
  return model_class ? model_class->make(config, construct ? *construct : Json::object()) : nullptr;
}

TEST_P(Structure, NamesShapesAndTiesEqualTheReference) {
  for (const auto& [name, row] : names.at("classes").as_object()) {
    SCOPED_TRACE(name);
    const auto model = on_meta(folder, name, row);
    ASSERT_TRUE(model) << "class is not registered";
    std::vector<std::string> keys;
    std::map<std::string, std::vector<int64_t>> shapes;
    for (const auto& [key, tensor] : model->state_dict()) {
      keys.push_back(key);
      shapes[key] = tensor.sizes().vec();
      EXPECT_TRUE(tensor.is_meta() || !tensor.is_floating_point()) << key << " has memory";
    }
    std::vector<std::string> expected;
    for (const auto& key : row.at("state_dict").as_array()) expected.push_back(key.as_string());
    EXPECT_EQ(std::set(keys.begin(), keys.end()), std::set(expected.begin(), expected.end()));
    for (const auto& parameter : row.at("parameters").as_array())
      EXPECT_EQ(shapes[parameter.at("name").as_string()], shape_of(parameter.at("shape")))
          << parameter.at("name").as_string();
    std::map<std::string, std::string> ties, expected_ties;
    for (const auto& [target, source] : model->all_tied_weights_keys()) ties[target] = source;
    for (const auto& [target, source] : row.at("tied").as_object()) expected_ties[target] = source.as_string();
    EXPECT_EQ(ties, expected_ties);
    EXPECT_EQ(model->base_model_prefix(), row.at("base_model_prefix").as_string());
    EXPECT_EQ(model->can_generate(), row.at("can_generate").as_bool());
    EXPECT_EQ(model->architecture().main_input_name, row.at("main_input_name").as_string());
  }
}

TEST_P(Structure, ConfigDefaultsEqualTheReference) {
  const auto defaults = Json::parse_file(folder / "config_defaults.json");
  const auto found = AutoConfig::for_model(GetParam())->to_dict();
  for (const auto& [key, value] : defaults.at("fields").as_object()) {
    if (key == "_name_or_path") continue;
    const auto* ours = found.find(key);
    ASSERT_TRUE(ours) << key << " is missing";
    EXPECT_TRUE(*ours == value) << key << " is " << ours->dump() << ", expected " << value.dump();
  }
}

TEST_P(Structure, SavingAndLoadingIsTheIdentity) {
  const logging::Capture quiet;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "models")) {
    SCOPED_TRACE(entry.path().filename().string());
    const TemporaryFolder first, second;
    auto loaded = load_by_class_name(entry.path().string(), "", {.output_loading_info = true, .dtype = "auto"});
    loaded->save_pretrained(first.path);
    auto again = load_by_class_name(first.path.string(), "", {.output_loading_info = true, .dtype = "auto"});
    EXPECT_TRUE(again.loading_info->missing_keys.empty());
    EXPECT_TRUE(again.loading_info->unexpected_keys.empty());
    const auto before = loaded->state_dict(), after = again->state_dict();
    for (const auto& [key, tensor] : before)
      EXPECT_TRUE(tensor.equal(after.at(key)) || difference(after.at(key), tensor, 0.0).empty()) << key;
    again->save_pretrained(second.path);
    EXPECT_EQ(read_text(first.path / "model.safetensors"), read_text(second.path / "model.safetensors"));
    EXPECT_EQ(read_text(first.path / "config.json"), read_text(second.path / "config.json"));
    // The file that the reference wrote holds the same keys.
    const auto theirs = open_checkpoint(entry.path() / "model.safetensors"),
               ours = open_checkpoint(first.path / "model.safetensors");
    std::set<std::string> their_keys, our_keys;
    for (const auto& tensor : theirs->entries()) their_keys.insert(tensor.name);
    for (const auto& tensor : ours->entries()) our_keys.insert(tensor.name);
    EXPECT_EQ(our_keys, their_keys);
  }
}

TEST_P(Structure, SavesInShardsAndAsPickles) {  // P47–P50, S03, S04, S08, S10
  const logging::Capture quiet;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "models")) {
    SCOPED_TRACE(entry.path().filename().string());
    const TemporaryFolder saved;
    const auto loaded = load_by_class_name(entry.path().string(), "", {.dtype = "auto"});
    const auto check = [&](const FromPretrainedOptions& options) {
      const auto again = load_by_class_name(saved.path.string(), "", options);
      EXPECT_TRUE(again.loading_info->missing_keys.empty() && again.loading_info->unexpected_keys.empty());
      for (const auto& [key, tensor] : loaded->state_dict())
        EXPECT_TRUE(difference(again->state_dict().at(key), tensor, 0.0).empty()) << key;
    };
    loaded->save_pretrained(saved.path, {.max_shard_size = 2000});
    EXPECT_TRUE(std::filesystem::exists(saved.path / "model.safetensors.index.json"));
    EXPECT_FALSE(std::filesystem::exists(saved.path / "model.safetensors"));
    check({.output_loading_info = true, .dtype = "auto"});
    loaded->save_pretrained(saved.path, {.max_shard_size = 3000, .safe_serialization = false, .variant = "old"});
    EXPECT_TRUE(std::filesystem::exists(saved.path / "pytorch_model.bin.index.old.json"));
    check({.output_loading_info = true, .use_safetensors = false, .dtype = "auto", .variant = "old"});
    loaded->save_pretrained(saved.path, {.safe_serialization = false});
    check({.output_loading_info = true, .use_safetensors = false, .dtype = "auto"});
    // What is offloaded is saved as if it were not.
    const TemporaryFolder again;
    const auto offloaded =
        load_by_class_name(saved.path.string(), "", {.dtype = "auto", .device_map = DeviceMap{{"", "disk"}}});
    offloaded->save_pretrained(again.path);
    loaded->save_pretrained(saved.path);
    EXPECT_EQ(read_text(again.path / "model.safetensors"), read_text(saved.path / "model.safetensors"));
  }
}

TEST(Saving, CallsTheUsersFunctionForPickles) {  // P47
  const logging::Capture quiet;
  const TemporaryFolder saved;
  const auto models = data_folder() / "bert" / "models";
  const auto loaded = load_by_class_name(std::filesystem::directory_iterator(models)->path().string(), "", {});
  size_t tensors = 0;
  const SaveFunction count = [&](const StateDict& state, const std::filesystem::path& file) {
    tensors += state.size();
    write_text_atomic(file, "mine");
  };
  loaded->save_pretrained(saved.path, {.save_function = count, .safe_serialization = false});
  EXPECT_EQ(tensors, loaded->state_dict().size());
  EXPECT_EQ(read_text(saved.path / "pytorch_model.bin"), "mine");
}

TEST(Loading, RefusesACheckpointOfAnotherModel) {  // P63, P66
  const logging::Capture quiet;
  const auto first = [](const char* type) {
    return std::filesystem::directory_iterator(data_folder() / type / "models")->path();
  };
  FromPretrainedOptions options{.config = first("gpt2")};
  options.config = ConfigArg(first("gpt2"));
  EXPECT_THROW((void)load_by_class_name((first("bert") / "model.safetensors").string(), "GPT2Model", options),
               RuntimeError);
  options.ignore_unmatched_keys = options.output_loading_info = true;
  const auto loaded = load_by_class_name((first("bert") / "model.safetensors").string(), "GPT2Model", options);
  EXPECT_EQ(loaded.loading_info->verdict, LoadingVerdict::Suspicious);
}

TEST_P(Structure, ConfigFilesResolveAsInTheReference) {
  const auto expected = Json::parse_file(folder / "configs.json");
  for (const auto& [file, fields] : expected.as_object()) {
    SCOPED_TRACE(file);
    const auto found = AutoConfig::from_pretrained((folder / file).string())->to_dict();
    for (const auto& [key, value] : fields.as_object()) {
      const auto* ours = found.find(key);
      ASSERT_TRUE(ours) << key << " is missing";
      EXPECT_TRUE(*ours == value) << key << " is " << ours->dump() << ", expected " << value.dump();
    }
  }
}

std::set<std::string> strings(const Json& list) {
  std::set<std::string> out;
  for (const auto& item : list.as_array()) out.insert(item.as_string());
  return out;
}

TEST_P(Structure, LoadingReportsEqualTheReference) {
  if (!std::filesystem::exists(folder / "loading.json")) GTEST_SKIP() << "no loading cases";
  const logging::Capture quiet;
  const auto loading = Json::parse_file(folder / "loading.json");
  for (const auto& test : loading.at("cases").as_array()) {
    SCOPED_TRACE(test.at("id").as_string());
    // The reference loads whatever it is given; we ask for that where nothing fits.
    FromPretrainedOptions options{.ignore_mismatched_sizes = test.get("ignore_mismatched_sizes", false),
                                  .output_loading_info = true,
                                  .ignore_unmatched_keys = true};
    for (const auto* key : {"construct", "config_overrides"})
      if (const auto* extra = test.find(key))
        for (const auto& [name, value] : extra->as_object()) options.kwargs[name] = value;
    const auto load = [&] {
      return load_by_class_name((folder / test.at("model").as_string()).string(), test.at("class").as_string(),
                                options);
    };
    if (!test.get("error", "").empty()) {
      EXPECT_THROW(static_cast<void>(load()), Error);
      continue;
    }
    const auto info = *load().loading_info;
    EXPECT_EQ(info.missing_keys, strings(test.at("missing_keys")));
    EXPECT_EQ(info.unexpected_keys, strings(test.at("unexpected_keys")));
    decltype(info.mismatched_keys) mismatched;
    for (const auto& row : test.at("mismatched_keys").as_array())
      mismatched.emplace(row.as_array()[0].as_string(), shape_of(row.as_array()[1]), shape_of(row.as_array()[2]));
    EXPECT_EQ(info.mismatched_keys, mismatched);
  }
}

TEST(Auto, ChoosesTheClassesOfTheReference) {
  const std::map<std::string, Task> tasks = {{"AutoModel", Task::Base},
                                             {"AutoModelForPreTraining", Task::PreTraining},
                                             {"AutoModelForCausalLM", Task::CausalLM},
                                             {"AutoModelForMaskedLM", Task::MaskedLM},
                                             {"AutoModelForSeq2SeqLM", Task::Seq2SeqLM},
                                             {"AutoModelForSequenceClassification", Task::SequenceClassification},
                                             {"AutoModelForTokenClassification", Task::TokenClassification},
                                             {"AutoModelForQuestionAnswering", Task::QuestionAnswering},
                                             {"AutoModelForMultipleChoice", Task::MultipleChoice},
                                             {"AutoModelForNextSentencePrediction", Task::NextSentencePrediction},
                                             {"AutoModelForImageClassification", Task::ImageClassification},
                                             {"AutoModelForMaskedImageModeling", Task::MaskedImageModeling},
                                             {"AutoModelForTextEncoding", Task::TextEncoding}};
  const auto expected = Json::parse_file(data_folder() / "auto.json");
  for (const auto& [auto_class, types] : expected.as_object())
    for (const auto& [type, name] : types.as_object()) {
      const auto task = tasks.find(auto_class);
      if (task == tasks.end()) continue;
      EXPECT_EQ(class_for(*AutoConfig::for_model(type), task->second).name, name.as_string())
          << auto_class << " of " << type;
    }
}

INSTANTIATE_TEST_SUITE_P(Goldens, Structure, ::testing::ValuesIn(with_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace transformers::testing
