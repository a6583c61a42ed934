// PyTorch files load as their safetensors twins do (P60, P62, P63, S08, S11).
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A folder of links to the files of `twin` and of checkpoint/pickle.
class ModelFolder {
 public:
  ModelFolder() {
    std::string pattern = (fs::temp_directory_path() / "transformers-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~ModelFolder() { fs::remove_all(path_); }
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;

  ModelFolder& link(const fs::path& file, const std::string& name) {
    fs::create_symlink(fs::absolute(data_folder() / file), path_ / name);
    return *this;
  }
  [[nodiscard]] std::string string() const { return path_.string(); }

 private:
  fs::path path_;
};

struct Case {
  std::string model_class, twin, dtype;
  std::vector<std::pair<std::string, std::string>> files;  // of checkpoint/pickle, and under which name
};

std::vector<Case> cases() {
  return {{"BertForPreTraining", "bert", "float32", {{"bert_old_names.bin", "pytorch_model.bin"}}},
          {"GPT2LMHeadModel", "gpt2", "bfloat16", {{"gpt2_bf16.bin", "pytorch_model.bin"}}},
          {"T5ForConditionalGeneration", "t5", "float32", {{"t5_plain.bin", "pytorch_model.bin"}}},
          {"LlamaForCausalLM",
           "llama",
           "float32",
           {{"llama.bin.index.json", "pytorch_model.bin.index.json"},
            {"llama-00001-of-00002.bin", "llama-00001-of-00002.bin"},
            {"llama-00002-of-00002.bin", "llama-00002-of-00002.bin"}}}};
}

fs::path twin_of(const Case& test) { return fs::path(test.twin) / "models" / test.model_class; }

class PickledModel : public ::testing::TestWithParam<Case> {};

TEST_P(PickledModel, EqualsItsSafetensorsTwin) {
  const auto& test = GetParam();
  const logging::Capture quiet;
  ModelFolder folder;
  folder.link(twin_of(test) / "config.json", "config.json");
  for (const auto& [file, name] : test.files) folder.link("checkpoint/pickle/" + file, name);
  FromPretrainedOptions options{.output_loading_info = true, .dtype = test.dtype};
  const auto expected = load_by_class_name((data_folder() / twin_of(test)).string(), test.model_class, options);
  const auto loaded = load_by_class_name(folder.string(), test.model_class, options);
  EXPECT_TRUE(loaded.loading_info->missing_keys.empty());
  EXPECT_TRUE(loaded.loading_info->unexpected_keys.empty());
  EXPECT_TRUE(loaded.loading_info->mismatched_keys.empty());
  const auto want = expected.model->state_dict(), have = loaded.model->state_dict();
  ASSERT_EQ(have.size(), want.size());
  for (const auto& [name, tensor] : want) {
    const auto* found = have.find(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(*found, tensor)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, PickledModel, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.twin; });

std::string reason(const ModelFolder& folder, const FromPretrainedOptions& options) {
  try {
    static_cast<void>(load_by_class_name(folder.string(), "GPT2LMHeadModel", options));
  } catch (const OSError& error) {
    return error.what();
  }
  return "";
}

TEST(WeightsFiles, AreChosenInTheOrderOfTheReference) {  // P60
  const logging::Capture quiet;
  const fs::path twin = "gpt2/models/GPT2LMHeadModel", pickle = "checkpoint/pickle/gpt2_bf16.bin";
  ModelFolder both;
  both.link(twin / "config.json", "config.json").link(twin / "model.safetensors", "model.safetensors");
  both.link(pickle, "pytorch_model.bin").link(pickle, "pytorch_model.fp16.bin");
  EXPECT_EQ(reason(both, {.use_safetensors = false}), "");
  EXPECT_EQ(reason(both, {.variant = "fp16"}), "");
  EXPECT_THAT(reason(both, {.use_safetensors = true, .variant = "fp16"}),
              AllOf(HasSubstr("model.fp16.safetensors"), HasSubstr("pytorch_model.fp16.bin"), HasSubstr("rules out")));
}

TEST(WeightsFiles, TheOneThatIsReadIsTheOneThatIsChosen) {  // P60
  const logging::Capture quiet;
  const fs::path twin = "gpt2/models/GPT2LMHeadModel";
  ModelFolder safe, pickles;
  safe.link(twin / "config.json", "config.json").link(twin / "model.safetensors", "model.safetensors");
  safe.link("checkpoint/pickle/code.bin", "pytorch_model.bin");
  EXPECT_EQ(reason(safe, {}), "");
  EXPECT_THROW(static_cast<void>(reason(safe, {.use_safetensors = false})), ValueError);  // it asks for code
  pickles.link(twin / "config.json", "config.json").link("checkpoint/pickle/gpt2_bf16.bin", "pytorch_model.bin");
  EXPECT_EQ(reason(pickles, {}), "");
  EXPECT_THAT(reason(pickles, {.use_safetensors = true}), HasSubstr("pytorch_model.bin, which use_safetensors=true"));
}

}  // namespace
}  // namespace transformers::testing
