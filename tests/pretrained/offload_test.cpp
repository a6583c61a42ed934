// Weights that wait, or stay, outside the model: L13 to L15.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/placement/dispatch.h"
#include "transformers/placement/offload_folder.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;

fs::path llama() { return data_folder() / "llama/models/LlamaForCausalLM"; }

// An environment variable, put back at the end.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const auto* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_ = {};
};

void expect_same(PreTrainedModel& a, PreTrainedModel& b) {
  for (const auto& [name, tensor] : a.state_dict()) EXPECT_TRUE(at::equal(tensor, b.state_dict().at(name))) << name;
}

TEST(OffloadStateDict, GivesTheSameModelAndLeavesNothing) {  // L15
  const TemporaryFolder temporary;
  const Variable folder("TMPDIR", temporary.path.native());
  for (const auto* dtype : {"float32", "bfloat16"}) {
    const auto expected = load_by_class_name(llama(), "", {.dtype = dtype});
    const auto found = load_by_class_name(llama(), "", {.dtype = dtype, .offload_state_dict = true});
    expect_same(*found, *expected);
    EXPECT_TRUE(fs::is_empty(temporary.path));
  }
}

TEST(OffloadStateDict, LeavesNothingWhenLoadingFails) {  // L15
  const logging::Capture quiet;
  const TemporaryFolder temporary, broken;
  const Variable folder("TMPDIR", temporary.path.native());
  for (const auto* name : {"config.json", "model.safetensors"}) fs::copy_file(llama() / name, broken.path / name);
  FromPretrainedOptions options{.dtype = "bfloat16", .offload_state_dict = true};
  options.kwargs["vocab_size"] = 3;
  options.kwargs["pad_token_id"] = options.kwargs["bos_token_id"] = options.kwargs["eos_token_id"] = Json();
  EXPECT_THROW((void)load_by_class_name(broken.path, "", options), RuntimeError);
  EXPECT_TRUE(fs::is_empty(temporary.path));
}

TEST(OffloadStateDict, KeepsTies) {  // L15
  const auto tied = data_folder() / "llama/models/tied";
  const auto model = load_by_class_name(tied, "", {.dtype = "float64", .offload_state_dict = true}).model;
  ASSERT_FALSE(model->all_tied_weights_keys().empty());
  for (const auto& [target, source] : model->all_tied_weights_keys())
    EXPECT_TRUE(model->state_dict().at(target).is_same(model->state_dict().at(source)));
}

TEST(Reading, IsTheSameWithOneThread) {  // P63
  const auto expected = load_by_class_name(llama(), "", {.dtype = "bfloat16"});
  EXPECT_NE(load_by_class_name(llama(), "", {}).model->read_ahead, nullptr);
  const Variable alone("HF_DEACTIVATE_ASYNC_LOAD", "1");
  EXPECT_EQ(load_by_class_name(llama(), "", {}).model->read_ahead, nullptr);
  expect_same(*load_by_class_name(llama(), "", {.dtype = "bfloat16"}), *expected);
}

// What a load leaves in its folder can be read again without the model.
TEST(OffloadFolder, HoldsWhatTheModelLeftThere) {  // L13, L14
  const logging::Capture quiet;
  const TemporaryFolder folder;
  const auto expected = load_by_class_name(llama(), "", {.dtype = "bfloat16"});
  const auto model = load_by_class_name(
      llama(), "", {.dtype = "bfloat16", .device_map = DeviceMap{{"", "disk"}}, .offload_folder = folder.path});
  const auto store = read_offload_folder(folder.path);
  EXPECT_EQ(store->names(), model->dispatch->weights().names());
  for (const auto& [name, tensor] : expected->state_dict()) EXPECT_TRUE(at::equal(tensor, store->load(name))) << name;
}

}  // namespace
}  // namespace transformers::testing
