// load_sharded_checkpoint: S01, S11.
#include "transformers/pretrained/load_sharded.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/nn/dtypes.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// BERT's base model: it ties nothing, so that its file has every key.
class Sharded : public ::testing::Test {
 protected:
  std::shared_ptr<PreTrainedModel> model =
      AutoModel::from_pretrained((data_folder() / "bert/models/BertForSequenceClassification").string()).model;
  TemporaryFolder saved;

  std::shared_ptr<PreTrainedModel> fresh() {
    auto other = AutoModel::from_config(model->config);
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : other->state_dict()) tensor.fill_(7);
    return other;
  }
  void save(bool safe) { model->save_pretrained(saved.path, {.max_shard_size = "4KB", .safe_serialization = safe}); }
  void expect_filled(PreTrainedModel& other) {
    for (const auto& [name, tensor] : model->state_dict())
      EXPECT_TRUE(at::equal(tensor, other.state_dict().at(name))) << name;
  }
};

TEST_F(Sharded, FillsAModelFromEitherFormat) {
  for (const bool safe : {true, false}) {
    save(safe);
    const auto other = fresh();
    const auto keys = load_sharded_checkpoint(*other, saved.path, {.prefer_safe = !safe});
    EXPECT_THAT(keys.missing_keys, IsEmpty());
    EXPECT_THAT(keys.unexpected_keys, IsEmpty());
    expect_filled(*other);
    for (const auto& entry : fs::directory_iterator(saved.path)) fs::remove(entry.path());
  }
}

TEST_F(Sharded, PrefersWhatIsAskedForOfBoth) {
  save(true);
  {
    const at::NoGradGuard no_grad;
    model->state_dict().at("pooler.dense.bias").fill_(3);
  }
  save(false);
  const auto safe = fresh(), pickled = fresh();
  load_sharded_checkpoint(*safe, saved.path);
  load_sharded_checkpoint(*pickled, saved.path, {.prefer_safe = false});
  EXPECT_FALSE(at::equal(safe->state_dict().at("pooler.dense.bias"), model->state_dict().at("pooler.dense.bias")));
  expect_filled(*pickled);
}

TEST_F(Sharded, ComparesKeysBeforeItReads) {
  save(true);
  auto index = Json::parse_file(saved.path / "model.safetensors.index.json");
  Json map = Json::object();
  for (const auto& [key, shard] : index.at("weight_map").as_object())
    map[key == "pooler.dense.bias" ? "pooler.dense.bios" : key] = shard;
  index["weight_map"] = map;
  for (const auto& entry : fs::directory_iterator(saved.path))
    if (entry.path().extension() == ".safetensors") fs::rename(entry.path(), entry.path().native() + ".away");
  write_text_atomic(saved.path / "model.safetensors.index.json", index.dump());
  const auto other = fresh();
  EXPECT_THAT(refusal<RuntimeError>([&] { load_sharded_checkpoint(*other, saved.path); }),
              AllOf(HasSubstr("BertModel"), HasSubstr("missing are pooler.dense.bias"),
                    HasSubstr("unexpected are pooler.dense.bios"), HasSubstr("strict")));
  // Not strict: now the shards are looked for.
  EXPECT_THAT(refusal<OSError>([&] { load_sharded_checkpoint(*other, saved.path, {.strict = false}); }),
              AllOf(HasSubstr("model-00001-of"), HasSubstr("missing")));
}

TEST_F(Sharded, ReportsBothListsInTheirOrder) {
  save(true);
  torch::nn::Linear other(3, 2);
  const auto keys = load_sharded_checkpoint(*other, saved.path, {.strict = false});
  EXPECT_THAT(keys.missing_keys, ElementsAre("weight", "bias"));
  std::vector<std::string> listed;
  const auto index = Json::parse_file(saved.path / "model.safetensors.index.json");
  for (const auto& [key, shard] : index.at("weight_map").as_object()) listed.push_back(key);
  EXPECT_EQ(keys.unexpected_keys, listed);
}

TEST_F(Sharded, NamesWhatIsWrong) {
  EXPECT_THAT(refusal<ValueError>([&] { load_sharded_checkpoint(*model, saved.path); }),
              AllOf(HasSubstr("pytorch_model.bin.index.json"), HasSubstr("model.safetensors.index.json"),
                    HasSubstr(saved.path.native())));
  write_text_atomic(saved.path / "model.safetensors.index.json",
                    R"({"weight_map": {"pooler.dense.bias": "../outside.safetensors"}})");
  EXPECT_THAT(refusal<ValueError>([&] { load_sharded_checkpoint(*model, saved.path, {.strict = false}); }),
              HasSubstr("../outside"));
  write_text_atomic(saved.path / "model.safetensors.index.json", R"({"metadata": {}})");
  EXPECT_THAT(refusal<ValueError>([&] { load_sharded_checkpoint(*model, saved.path); }), HasSubstr("weight_map"));
  save(true);
  const auto other = AutoModel::from_config(
      AutoConfig::from_pretrained((data_folder() / "bert/models/BertForSequenceClassification").string(), [] {
        FromPretrainedOptions options;
        options.kwargs["vocab_size"] = 7;
        return options;
      }()));
  EXPECT_THAT(refusal<RuntimeError>([&] { load_sharded_checkpoint(*other, saved.path); }),
              AllOf(HasSubstr("embeddings.word_embeddings.weight"), HasSubstr("[7, 16] in the model")));
}

// A module that knows nothing of this library, in another type, with a buffer.
struct Net : torch::nn::Module {
  torch::nn::Linear first{register_module("first", torch::nn::Linear(4, 3))};
  torch::nn::BatchNorm1d norm{register_module("norm", torch::nn::BatchNorm1d(3))};
};

TEST(ShardedModule, NeedNotBeAModelOfOurs) {
  const TemporaryFolder folder;
  Net source, target;
  {
    const at::NoGradGuard no_grad;
    source.norm->running_mean.fill_(0.25);
    source.norm->num_batches_tracked.fill_(11);
  }
  Json map = Json::object();
  size_t shard = 0;
  for (const auto& [name, tensor] : state_dict_of(source)) {
    const auto file = str("model-0000", ++shard, "-of-00007.safetensors");
    const CheckpointWriteEntry entry{
        .name = name, .dtype = to_data_type(tensor.scalar_type()), .shape = tensor.sizes().vec(), .bytes = [&] {
          return SharedBytes{{static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}, nullptr};
        }};
    write_safetensors(folder.path / file, {&entry, 1});
    map[name] = file;
  }
  EXPECT_EQ(shard, 7U);
  write_text_atomic(folder.path / "model.safetensors.index.json", Json(Json::Object{{"weight_map", map}}).dump());
  target.to(at::kDouble);
  const auto keys = load_sharded_checkpoint(target, folder.path);
  EXPECT_THAT(keys.missing_keys, IsEmpty());
  const auto want = state_dict_of(source), have = state_dict_of(target);
  for (const auto& [name, tensor] : want)
    EXPECT_TRUE(at::equal(tensor.to(have.at(name).scalar_type()), have.at(name))) << name;
  EXPECT_EQ(have.at("first.weight").scalar_type(), at::kDouble);
  EXPECT_EQ(have.at("norm.num_batches_tracked").item<int64_t>(), 11);
}

}  // namespace
}  // namespace transformers::testing
