// TensorFlow 1's variables in a V2 checkpoint, as a target of convert_checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "scratch_folder.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/mapping/convert.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Values;
using testing::values_of;

const fs::path kFormats = fs::path(TRANSFORMERS_TEST_DATA) / "formats";

struct TfTarget : testing::ScratchFolder {};

const ConvertOptions kBundle{.to = "tf", .tf_format = "bundle"};

template <class Kind>
std::string refusal(const fs::path& source, const fs::path& destination, const ConvertOptions& options) {
  try {
    (void)convert_checkpoint(source, destination, options);
  } catch (const Kind& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST_F(TfTarget, KeepsEveryBitThereAndBack) {
  for (const std::string model : {"bert", "t5"}) {
    const auto source = kFormats / model / "pytorch";
    const auto report = convert_checkpoint(source, at(model), kBundle);
    EXPECT_THAT(report.files, ElementsAre("model.ckpt.data-00000-of-00001", "model.ckpt.index"));
    EXPECT_THAT(names_in(at(model)), ElementsAre("config.json", "model.ckpt.data-00000-of-00001", "model.ckpt.index"));
    (void)convert_checkpoint(at(model), at(model + "-back"), {.to = "safetensors"});
    EXPECT_EQ(values_of(at(model + "-back")), values_of(source)) << model;
  }
}

// `wi_0` and `wi_1` are names, not a number behind one.
TEST_F(TfTarget, KeepsTheGatedFeedForwardOfT5) {
  const auto source = fs::path(TRANSFORMERS_TEST_DATA) / "t5/models/T5ForConditionalGeneration_v1_1";
  (void)convert_checkpoint(source, at("gated"), kBundle);
  (void)convert_checkpoint(at("gated"), at("back"), {.to = "safetensors"});
  EXPECT_EQ(values_of(at("back")), values_of(source));
}

// What TensorFlow programs wrote comes back variable for variable; only their optimizers' state does not.
TEST_F(TfTarget, WritesTheVariablesThatTensorFlowWrote) {
  for (const std::string model : {"albert", "bert", "t5"}) {
    const auto source = kFormats / "tf_bundle" / model;
    const auto there = convert_checkpoint(source, at(model), {.to = "safetensors"});
    (void)convert_checkpoint(at(model), at(model + "-back"), kBundle);
    auto theirs = values_of(source);
    const auto ours = values_of(at(model + "-back"));
    EXPECT_GT(ours.size(), 10U) << model;
    for (const auto& [name, value] : ours) {
      EXPECT_TRUE(theirs.contains(name)) << model << ": " << name;
      EXPECT_EQ(value, theirs[name]) << model << ": " << name;
      theirs.erase(name);
    }
    for (const auto& name : there.dropped) theirs.erase(name);
    EXPECT_THAT(theirs, IsEmpty()) << model;
  }
}

TEST_F(TfTarget, TakesThePlaceOfAnOlderOne) {
  const auto source = kFormats / "bert/pytorch";
  (void)convert_checkpoint(source, at("out"), kBundle);
  write_text_atomic(at("out/model.ckpt.data-00000-of-00002"), "old");
  (void)convert_checkpoint(source, at("out"), kBundle);
  EXPECT_THAT(names_in(at("out")), ElementsAre("config.json", "model.ckpt.data-00000-of-00001", "model.ckpt.index"));
  const auto file = at("single/my_model.ckpt.index");
  fs::create_directories(file.parent_path());
  (void)convert_checkpoint(source, file, kBundle);
  EXPECT_EQ(values_of(file), values_of(at("out")));
}

TEST_F(TfTarget, RefusesWhatTensorFlow1HasNoNamesFor) {
  EXPECT_THAT(refusal<ValueError>(kFormats / "gpt2/pytorch", at("gpt2"), kBundle),
              AllOf(HasSubstr("gpt2"), HasSubstr("albert, bert, t5")));
  EXPECT_FALSE(fs::exists(at("gpt2")));
  EXPECT_THAT(refusal<ValueError>(kFormats / "bert/pytorch", at("x"), {.to = "flax", .tf_format = "bundle"}),
              AllOf(HasSubstr("flax"), HasSubstr("h5 or bundle")));
  EXPECT_THAT(refusal<ValueError>(kFormats / "bert/pytorch", at("x"), {.to = "tf", .tf_format = "npz"}),
              HasSubstr("'npz'"));
}

}  // namespace
}  // namespace transformers
