// dtype at instantiation: D01 to D07, C07.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <c10/core/DefaultDtype.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/models/bert.h"
#include "transformers/models/t5.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/device_map.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string bert() { return (data_folder() / "bert/models/BertForSequenceClassification").string(); }
std::string t5() { return (data_folder() / "t5/models/T5ForConditionalGeneration").string(); }

// The process's default type, put back at the end.
struct DefaultDtype {
  explicit DefaultDtype(at::ScalarType type) : before(c10::get_default_dtype()) {
    c10::set_default_dtype(c10::scalarTypeToTypeMeta(type));
  }
  ~DefaultDtype() { c10::set_default_dtype(before); }
  caffe2::TypeMeta before;
};

// A folder with this model and these fields of config.json; `dtype` of the weights.
void save_as(const fs::path& folder, at::ScalarType dtype, const Json& fields) {
  const auto model = AutoModel::from_pretrained(bert(), {.dtype = dtype}).model;
  model->save_pretrained(folder);
  auto config = Json::parse_file(folder / "config.json");
  config.erase("dtype");
  for (const auto& [key, value] : fields.as_object()) config[key] = value;
  write_text_atomic(folder / "config.json", config.dump());
}

TEST(ModelDtype, IsCastThroughTheBaseClassToo) {  // D02
  const auto model = AutoModel::from_pretrained(bert(), {}).model;
  torch::nn::Module& module = *model;
  module.to(at::kDouble);
  EXPECT_EQ(model->dtype(), at::kDouble);
  EXPECT_EQ(model->config->dtype, "float64");
  module.to(at::kCPU, at::kBFloat16);
  EXPECT_EQ(model->config->dtype, "bfloat16");
  EXPECT_THROW(module.to(at::kLong), ValueError);
}

TEST(ModelDtype, IsTheProcessesDefaultUnlessAsked) {  // D01
  const TemporaryFolder folder;
  save_as(folder.path, at::kHalf, Json::object());
  EXPECT_EQ(AutoModel::from_pretrained(folder.path)->dtype(), at::kFloat);
  {
    const DefaultDtype wide(at::kDouble);
    EXPECT_EQ(AutoModel::from_pretrained(folder.path)->dtype(), at::kDouble);
    EXPECT_EQ(AutoModel::from_pretrained(folder.path, {.dtype = "float16"})->dtype(), at::kHalf);
    EXPECT_THROW((void)AutoModel::from_pretrained(folder.path / "absent", {.dtype = "float16"}), Error);
    EXPECT_EQ(c10::get_default_dtype(), c10::scalarTypeToTypeMeta(at::kDouble));
  }
}

TEST(ModelDtype, TakesNamesTypesAndTheOlderKeyword) {  // D02, C07
  EXPECT_EQ(BertModel::from_pretrained(bert(), {.dtype = at::kBFloat16})->dtype(), at::kBFloat16);
  EXPECT_EQ(BertModel::from_pretrained(bert(), {.torch_dtype = at::kHalf})->dtype(), at::kHalf);
  EXPECT_EQ(BertModel::from_pretrained(bert(), {.dtype = "float64", .torch_dtype = "float16"})->dtype(), at::kDouble);
  FromPretrainedOptions options;
  options.kwargs["torch_dtype"] = "bfloat16";
  const auto model = BertModel::from_pretrained(bert(), options);
  EXPECT_EQ(model->dtype(), at::kBFloat16);
  EXPECT_EQ(model->config->dtype, "bfloat16");
  for (const auto& [name, tensor] : model->state_dict())
    EXPECT_TRUE(!tensor.is_floating_point() || tensor.scalar_type() == at::kBFloat16) << name;
  options.kwargs["dtype"] = 16;
  EXPECT_THROW((void)BertModel::from_pretrained(bert(), options), TypeError);
}

TEST(ModelDtype, RefusesTypesThatNoModelHas) {  // D02
  const auto load = [](DtypeArg dtype) {
    return refusal<ValueError>([&] { static_cast<void>(BertModel::from_pretrained(bert(), {.dtype = dtype})); });
  };
  EXPECT_THAT(load("float17"), HasSubstr("'float17'"));
  EXPECT_THAT(load("int32"), AllOf(HasSubstr("BertModel"), HasSubstr("'int32'")));
  EXPECT_THAT(load(at::kLong), AllOf(HasSubstr("BertModel"), HasSubstr("Long")));
  EXPECT_THAT(load("float8_e4m3fn"), HasSubstr("float8_e4m3fn"));
}

TEST(ModelDtype, AutoLooksInItsOrder) {  // D03
  const logging::Capture log;
  const TemporaryFolder folder;
  const auto automatic = [&] { return AutoModel::from_pretrained(folder.path, {.dtype = "auto"}); };
  save_as(folder.path, at::kHalf, Json::Object{{"torch_dtype", "float32"}});
  EXPECT_EQ(automatic()->dtype(), at::kFloat) << "the config comes first";
  EXPECT_TRUE(log.contains("config.json: 'dtype'", logging::Level::Info));
  save_as(folder.path, at::kHalf, Json::object());
  EXPECT_EQ(automatic()->dtype(), at::kHalf) << "then the file";
  EXPECT_TRUE(log.contains("from the weights", logging::Level::Info));
  EXPECT_EQ(automatic()->config->dtype, "float16");
  // The index of a sharded checkpoint stands between them.
  automatic()->save_pretrained(folder.path, {.max_shard_size = "4KB"});
  auto config = Json::parse_file(folder.path / "config.json");
  config.erase("dtype");
  write_text_atomic(folder.path / "config.json", config.dump());
  auto index = Json::parse_file(folder.path / "model.safetensors.index.json");
  index["metadata"]["dtype"] = "bfloat16";
  write_text_atomic(folder.path / "model.safetensors.index.json", index.dump());
  EXPECT_EQ(automatic()->dtype(), at::kBFloat16);
  EXPECT_TRUE(log.contains("from the index", logging::Level::Info));
}

TEST(ModelDtype, OfAFileWithoutFloatsIsThatOfItsFirstTensor) {  // D03, 4
  StateDict state;
  state.set("pooler.dense.bias", at::empty({16}, at::kLong).zero_());
  const auto config = AutoConfig::from_pretrained(bert());
  config->dtype.reset();
  EXPECT_THAT(refusal<ValueError>([&] {
                static_cast<void>(load_pretrained(std::nullopt, *find_model_class("BertModel"),
                                                  {.config = ConfigArg(config), .state_dict = state, .dtype = "auto"}));
              }),
              AllOf(HasSubstr("BertModel"), HasSubstr("Long")));
}

TEST(ModelDtype, MapsGiveTheWholeModelOneType) {  // D05
  logging::Capture::reset_once();
  const logging::Capture log;
  const auto loaded =
      BertModel::from_pretrained(bert(), {.dtype = DtypeMap{{"text_config", at::kHalf}, {"", "bfloat16"}}});
  EXPECT_EQ(loaded->dtype(), at::kBFloat16);
  const auto records = log.records();
  EXPECT_TRUE(std::any_of(records.begin(), records.end(), [](const logging::Record& record) {
    return record.category == "FutureWarning" && record.text.find("bfloat16") != std::string::npos;
  }));
  EXPECT_EQ(BertModel::from_pretrained(bert(), {.dtype = DtypeMap{{"text_config", "float16"}}})->dtype(), at::kFloat);
  EXPECT_THAT(refusal<ValueError>([] {
                static_cast<void>(BertModel::from_pretrained(bert(), {.dtype = DtypeMap{{"vision_config", "half"}}}));
              }),
              AllOf(HasSubstr("'vision_config'"), HasSubstr("'half'")));
  FromPretrainedOptions options;
  options.kwargs["dtype"] = Json(Json::Object{{"", "float64"}});
  EXPECT_EQ(BertModel::from_pretrained(bert(), options)->dtype(), at::kDouble);
}

TEST(ModelDtype, KeepsDelicateModulesInFloat32) {  // D06, L07
  const auto half = T5ForConditionalGeneration::from_pretrained(t5(), {.dtype = "float16"});
  size_t kept = 0;
  for (const auto& [name, tensor] : half->state_dict()) {
    const bool is_wo = name.find(".wo.") != std::string::npos;
    kept += is_wo;
    EXPECT_EQ(tensor.scalar_type(), is_wo ? at::kFloat : at::kHalf) << name;
  }
  EXPECT_GT(kept, 0U);
  const auto brain = T5ForConditionalGeneration::from_pretrained(t5(), {.dtype = "bfloat16"});
  for (const auto& [name, tensor] : brain->state_dict()) EXPECT_EQ(tensor.scalar_type(), at::kBFloat16) << name;
  // A map counts them as what they are.
  const auto shell = build_on_meta(half->model_class(), half->config, at::kHalf);
  EXPECT_EQ(measure(*shell).bytes, measure(*half).bytes);
}

TEST(ModelDtype, OfAConfigIsAskedForOrStated) {  // D04
  auto config = AutoConfig::from_pretrained(bert());
  config->dtype.reset();
  EXPECT_EQ(AutoModel::from_config(config)->dtype(), at::kFloat);
  EXPECT_FALSE(config->dtype);
  config->dtype = "bfloat16";
  const auto stated = AutoModel::from_config(config);
  EXPECT_EQ(stated->dtype(), at::kBFloat16);
  EXPECT_TRUE(stated->is_training());
  EXPECT_EQ(AutoModel::from_config(config, {.dtype = at::kHalf})->dtype(), at::kHalf);
  EXPECT_EQ(config->dtype, "float16") << "the config says what the model is";
  EXPECT_THAT(refusal<ValueError>([&] { static_cast<void>(AutoModel::from_config(config, {.dtype = "auto"})); }),
              HasSubstr("'auto'"));
}

TEST(ModelDtype, IsWrittenAndFoundAgain) {  // D07
  const TemporaryFolder first, second;
  AutoModel::from_pretrained(bert(), {.dtype = "float16"})->save_pretrained(first.path);
  EXPECT_EQ(Json::parse_file(first.path / "config.json").at("dtype"), Json("float16"));
  const auto again = AutoModel::from_pretrained(first.path, {.dtype = "auto"});
  EXPECT_EQ(again->dtype(), at::kHalf);
  again->save_pretrained(second.path);
  EXPECT_EQ(read_text(first.path / "model.safetensors"), read_text(second.path / "model.safetensors"));
}

}  // namespace
}  // namespace transformers::testing
