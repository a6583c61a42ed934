// Files of TensorFlow and Flax load as their PyTorch twins do (P03, P57, P58, P60, P62, P63, P69, P70, T11, F22, C09).
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kTolerance = 1e-5;  // C09: float32 against another framework's float32

const fs::path kFormats = data_folder() / "formats";

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "transformers-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  Folder& link(const fs::path& file) { return link(file, file.filename().string()); }
  Folder& link(const fs::path& file, const std::string& name) {
    fs::create_symlink(fs::absolute(kFormats / file), path_ / name);
    return *this;
  }
  [[nodiscard]] fs::path path() const { return path_; }
  [[nodiscard]] std::string string() const { return path_.string(); }

 private:
  fs::path path_;
};

struct Case {
  std::string model, folder, model_class;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const auto& [model, name] :
       {std::pair("bert", "BertForPreTraining"), std::pair("gpt2", "GPT2LMHeadModel"),
        std::pair("t5", "T5ForConditionalGeneration"), std::pair("llama", "LlamaForCausalLM")})
    for (const std::string folder : {"tf", "tf_sharded", "flax", "flax_sharded"})
      if (fs::exists(kFormats / model / folder)) out.push_back({model, folder, name});
  return out;
}

FromPretrainedOptions options_for(const std::string& folder) {
  return {.from_tf = folder.starts_with("tf"), .from_flax = folder.starts_with("flax"), .output_loading_info = true};
}

void expect_clean(const LoadingInfo& info) {
  EXPECT_THAT(info.missing_keys, IsEmpty());
  EXPECT_THAT(info.unexpected_keys, IsEmpty());
  EXPECT_THAT(info.mismatched_keys, IsEmpty());
  EXPECT_THAT(info.error_msgs, IsEmpty());
}

void expect_same_weights(PreTrainedModel& found, PreTrainedModel& expected) {
  const auto have = found.state_dict(), want = expected.state_dict();
  ASSERT_EQ(have.size(), want.size());
  for (const auto& [name, tensor] : want) {
    ASSERT_TRUE(have.find(name)) << name;
    EXPECT_TRUE(at::equal(*have.find(name), tensor)) << name;
  }
}

class FrameworkModel : public ::testing::TestWithParam<Case> {};

TEST_P(FrameworkModel, LoadsWithoutARemarkAndGivesTheSameOutputs) {
  const auto& test = GetParam();
  const logging::Capture quiet;
  const at::NoGradGuard no_grad;
  const auto folder = kFormats / test.model;
  const auto loaded = load_by_class_name((folder / test.folder).string(), test.model_class, options_for(test.folder));
  expect_clean(*loaded.loading_info);
  const auto twin = load_by_class_name((folder / "pytorch").string(), test.model_class, {});
  expect_same_weights(*loaded.model, *twin.model);
  ModelInputs inputs;
  for (const auto& [name, tensor] : read_tensors(folder / "inputs.safetensors")) inputs.at(name) = tensor;
  std::map<std::string, at::Tensor> outputs;
  for (const auto& [name, tensor] : loaded.model->forward(inputs).flatten()) outputs.emplace(name, tensor);
  const auto framework = test.folder.substr(0, test.folder.find('_')) + "/";
  size_t compared = 0;
  for (const auto& [name, expected] : read_tensors(folder / "outputs.safetensors")) {
    if (!name.starts_with(framework)) continue;
    EXPECT_EQ(difference(outputs.at(name.substr(framework.size())), expected, kTolerance), "") << name;
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

INSTANTIATE_TEST_SUITE_P(Goldens, FrameworkModel, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.model + "_" + test.param.folder; });

void expect_equal(const PreTrainedModel& model, const fs::path& file) {
  const auto have = model.state_dict();
  for (const auto& [name, tensor] : read_tensors(file)) {
    ASSERT_TRUE(have.find(name)) << name;
    EXPECT_TRUE(at::equal(*have.find(name), tensor)) << name;
  }
}

// P69: `model.ckpt.index` in a folder, the index itself, and what the files share.
TEST(TensorFlowCheckpoint, LoadsUnderEachOfItsNames) {
  const logging::Capture quiet;
  for (const auto& [model, name] :
       {std::pair("bert", "BertForPreTraining"), std::pair("t5", "T5ForConditionalGeneration")}) {
    const auto folder = kFormats / "tf_bundle" / model;
    for (const auto& path : {folder, folder / "model.ckpt.index", folder / "model.ckpt"}) {
      const auto loaded = load_by_class_name(path.string(), name, {.from_tf = true, .output_loading_info = true});
      expect_clean(*loaded.loading_info);
      expect_equal(*loaded.model, folder / "twin.safetensors");
    }
  }
}

// P58
TEST(TensorFlowCheckpoint, AsksForFromTfWhenOnlyThePrefixIsNamed) {
  try {
    static_cast<void>(load_by_class_name((kFormats / "tf_bundle/bert/model.ckpt").string(), "BertModel", {}));
    FAIL() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("model.ckpt.index"), HasSubstr("from_tf")));
  }
}

// P03
TEST(TensorFlowCheckpoint, FillsAModelThatIsThere) {
  const logging::Capture quiet;
  const auto folder = kFormats / "tf_bundle/bert";
  const auto model = load_by_class_name(folder.string(), "BertForPreTraining", {.from_tf = true}).model;
  const at::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) parameter.zero_();
  EXPECT_EQ(&load_tf_weights(*model, *model->config, folder / "model.ckpt"), model.get());
  expect_equal(*model, folder / "twin.safetensors");
}

// P58: a single file, its config beside it or given.
TEST(FrameworkFiles, LoadWhenNamedDirectly) {
  const logging::Capture quiet;
  const auto twin = load_by_class_name((kFormats / "gpt2/pytorch").string(), "GPT2LMHeadModel", {}).model;
  for (const std::string file : {"tf/tf_model.h5", "tf_sharded/tf_model.h5.index.json", "flax/flax_model.msgpack"}) {
    const auto loaded =
        load_by_class_name((kFormats / "gpt2" / file).string(), "GPT2LMHeadModel", {.output_loading_info = true});
    expect_clean(*loaded.loading_info);
    expect_same_weights(*loaded.model, *twin);
  }
  Folder alone;
  alone.link("gpt2/tf/tf_model.h5");
  const auto loaded = load_by_class_name((alone.path() / "tf_model.h5").string(), "GPT2LMHeadModel",
                                         {.config = kFormats / "gpt2/pytorch"});
  expect_same_weights(*loaded.model, *twin);
}

std::string reason(const fs::path& folder, const FromPretrainedOptions& options) {
  try {
    static_cast<void>(load_by_class_name(folder.string(), "GPT2LMHeadModel", options));
  } catch (const OSError& error) {
    return error.what();
  }
  return "";
}

// P60
TEST(FrameworkFiles, AreReadOnlyWhenAskedForAndTheErrorSaysSo) {
  const logging::Capture quiet;
  EXPECT_THAT(reason(kFormats / "gpt2/tf", {}), AllOf(HasSubstr("tf_model.h5"), HasSubstr("set from_tf")));
  EXPECT_THAT(reason(kFormats / "gpt2/tf", {.from_flax = true}), HasSubstr("set from_tf"));
  EXPECT_THAT(reason(kFormats / "gpt2/flax", {}), AllOf(HasSubstr("flax_model.msgpack"), HasSubstr("set from_flax")));
  EXPECT_THAT(reason(kFormats / "gpt2/flax_sharded", {}), HasSubstr("set from_flax"));
  EXPECT_THROW(static_cast<void>(reason(kFormats / "gpt2/tf", {.from_tf = true, .from_flax = true})), ValueError);
}

// P60: asked for, they come before safetensors; variants are for ours only.
TEST(FrameworkFiles, ComeFirstWhenAskedFor) {
  const logging::Capture quiet;
  Folder both;
  both.link("gpt2/tf/config.json").link("gpt2/tf/tf_model.h5").link("gpt2/pytorch/config.json", "model.safetensors");
  EXPECT_EQ(reason(both.path(), {.from_tf = true}), "") << "the other file is no checkpoint at all";
  EXPECT_EQ(reason(both.path(), {.from_tf = true, .variant = "fp16"}), "");
  EXPECT_NE(reason(both.path(), {}), "");
}

// P64: the report of a head that the file lacks and one that the model lacks.
TEST(FrameworkFiles, AreReportedOnInOurNames) {
  const logging::Capture quiet;
  for (const std::string folder : {"tf", "flax"}) {
    const auto path = (kFormats / "bert" / folder).string();
    const auto head = load_by_class_name(path, "BertForSequenceClassification", options_for(folder));
    EXPECT_THAT(head.loading_info->missing_keys, ElementsAre("classifier.bias", "classifier.weight"));
    EXPECT_THAT(head.loading_info->unexpected_keys,
                ElementsAre("cls.predictions.bias", "cls.predictions.transform.LayerNorm.bias",
                            "cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.dense.bias",
                            "cls.predictions.transform.dense.weight", "cls.seq_relationship.bias",
                            "cls.seq_relationship.weight"));
    const auto base = load_by_class_name(path, "BertModel", options_for(folder));
    EXPECT_THAT(base.loading_info->missing_keys, IsEmpty());
    auto options = options_for(folder);
    options.kwargs["vocab_size"] = 7;
    options.ignore_mismatched_sizes = true;
    const auto other = load_by_class_name(path, "BertModel", options);
    ASSERT_EQ(other.loading_info->mismatched_keys.size(), 1);
    EXPECT_EQ(std::get<0>(*other.loading_info->mismatched_keys.begin()), "embeddings.word_embeddings.weight");
  }
}

// P62: safetensors that TF and Flax wrote say so in their metadata; keys of TF lack the model's name there.
TEST(FrameworkFiles, MayBeSafetensors) {
  const logging::Capture quiet;
  for (const auto& [format, file] : {std::pair("tf", "tf/tf_model.h5"), std::pair("flax", "flax/flax_model.msgpack")}) {
    const auto reader = open_checkpoint(kFormats / "gpt2" / file);
    std::vector<CheckpointWriteEntry> entries;
    for (const auto& entry : reader->entries()) {
      const auto slash = entry.name.find('/');
      entries.push_back({.name = slash == std::string::npos ? entry.name : entry.name.substr(slash + 1),
                         .dtype = entry.dtype,
                         .shape = entry.shape,
                         .bytes = [&] { return reader->bytes(entry); }});
    }
    Folder folder;
    folder.link("gpt2/pytorch/config.json");
    Json metadata = Json::object();
    metadata["format"] = format;
    write_safetensors(folder.path() / "model.safetensors", entries, metadata);
    const auto loaded = load_by_class_name(folder.string(), "GPT2LMHeadModel", {.output_loading_info = true});
    expect_clean(*loaded.loading_info);
    expect_same_weights(*loaded.model,
                        *load_by_class_name((kFormats / "gpt2/pytorch").string(), "GPT2LMHeadModel", {}).model);
  }
}

}  // namespace
}  // namespace transformers::testing
