// Loading takes the model's memory once: L03, D03, S01. Measured in child processes, as RssAnon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "golden.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/checkpoint/sharded_writer.h"
#include "transformers/mapping/convert.h"
#include "transformers/models/llama.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kSlack = 64 * kMiB;  // L03

int64_t grown_by(const std::string& how, const fs::path& folder, const std::string& what) {
  const auto command = str(TRANSFORMERS_LOAD_VICTIM, " ", how, " ", folder, " ", what);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  long long grown = -1;
  if (!pipe || std::fscanf(pipe.get(), "%lld", &grown) != 1) ADD_FAILURE() << command << " failed";
  return grown;
}

// Tensors of numbers that repeat: what matters is their size.
std::vector<CheckpointWriteEntry> entries_for(const StateDict& state, DataType dtype) {
  static const std::vector<uint16_t> kPattern(size_t{64} << 20, 0x3c01);  // of the largest; both halves of a float32
  std::vector<CheckpointWriteEntry> entries;
  for (const auto& [name, tensor] : state) {
    const auto size = static_cast<size_t>(*byte_count(dtype, tensor.sizes()));
    entries.push_back({.name = name, .dtype = dtype, .shape = tensor.sizes().vec(), .bytes = [size] {
                         return SharedBytes{std::as_bytes(std::span(kPattern)).first(size), nullptr};
                       }});
  }
  return entries;
}

// A Llama of 100 million parameters: 400 MB in float32, the largest tensor 33 MB.
class LoadingMemory : public ::testing::Test {
 protected:
  LoadingMemory() {
    config_->vocab_size = 8192;
    config_->hidden_size = 1024;
    config_->intermediate_size = 2816;
    config_->num_hidden_layers = 7;
    config_->num_attention_heads = 16;
    config_->architectures = {"LlamaForCausalLM"};
    config_->resolve();
    state_ = build_on_meta(*find_model_class("LlamaForCausalLM"), config_, at::kFloat)->state_dict();
    for (const auto& [name, tensor] : state_) {
      elements_ += tensor.numel();
      largest_ = std::max(largest_, tensor.numel());
    }
  }

  fs::path saved(DataType dtype, int shards) {
    const auto folder = folder_.path / str(info(dtype).name, "-", shards);
    FileTransaction transaction(folder);
    config_->save_pretrained(transaction.staging_folder());
    const auto limit = elements_ * info(dtype).block_bytes / shards + 40 * kMiB;
    (void)write_checkpoint(transaction, write_safetensors, entries_for(state_, dtype),
                           {.max_shard_size = shards == 1 ? int64_t{1} << 40 : limit});
    transaction.commit();
    return folder;
  }

  std::shared_ptr<LlamaConfig> config_ = std::make_shared<LlamaConfig>();
  StateDict state_;
  int64_t elements_ = 0, largest_ = 0;
  TemporaryFolder folder_;
};

TEST_F(LoadingMemory, IsThatOfTheModelOnce) {  // L03
  ASSERT_GT(elements_ * 4, 300'000'000);
  for (const int shards : {1, 8}) {
    const auto folder = saved(DataType::F32, shards);
    const auto as_it_is = grown_by("load", folder, "float32");
    EXPECT_LE(as_it_is, elements_ * 4 + largest_ * 4 + kSlack) << shards;
    EXPECT_LE(as_it_is, kSlack) << "weights that need no change are viewed where they lie";
    const auto cast = grown_by("load", folder, "bfloat16");
    EXPECT_LE(cast, elements_ * 2 + largest_ * 4 + kSlack) << shards;
    EXPECT_GE(cast, elements_ * 2) << "the measure sees the weights";
    std::printf("%d shards, MiB: float32 %lld, bfloat16 %lld\n", shards, static_cast<long long>(as_it_is / kMiB),
                static_cast<long long>(cast / kMiB));
  }
}

TEST_F(LoadingMemory, WidensOneTensorAtATime) {  // L03, with a cast the other way
  const auto grown = grown_by("load", saved(DataType::BF16, 8), "float32");
  EXPECT_LE(grown, elements_ * 4 + largest_ * 4 + kSlack);
  std::printf("bfloat16 to float32, MiB: %lld\n", static_cast<long long>(grown / kMiB));
}

TEST_F(LoadingMemory, OfInt8IsThatOfTheModelAndOneTensor) {  // docs/int8.md
  const auto source = saved(DataType::BF16, 1), target = folder_.path / "int8";
  (void)convert_checkpoint(source, target, {.quantize = "int8"});
  const auto grown = grown_by("load", target, "bfloat16");
  EXPECT_LE(grown, elements_ * 2 + largest_ * 4 + kSlack);
  std::printf("int8 to bfloat16, MiB: %lld\n", static_cast<long long>(grown / kMiB));
}

TEST(ShardedMemory, IsThatOfOneShardAtMost) {  // S01
  constexpr int kLayers = 16;
  constexpr int64_t kLayerBytes = int64_t{2048} * 2048 * 4;
  const TemporaryFolder folder;
  StateDict state;
  for (int i = 0; i < kLayers; ++i) state.set(str(i, ".weight"), at::empty({2048, 2048}, at::kMeta));
  FileTransaction transaction(folder.path);
  (void)write_checkpoint(transaction, write_safetensors, entries_for(state, DataType::F32),
                         {.max_shard_size = 2 * kLayerBytes});
  transaction.commit();
  const auto grown = grown_by("sharded", folder.path, str(kLayers));
  EXPECT_LE(grown, 2 * kLayerBytes + kSlack);
  std::printf("sharded, MiB beside the module: %lld\n", static_cast<long long>(grown / kMiB));
}

}  // namespace
}  // namespace transformers::testing
