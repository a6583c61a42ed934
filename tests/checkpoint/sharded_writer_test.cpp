#include "transformers/checkpoint/sharded_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using Shards = std::vector<std::vector<size_t>>;
using testing::TemporaryFolder;

TEST(ShardedWriter, FillsShardsInOrderWithoutOptimising) {  // S06, V12
  const std::vector<int64_t> sizes{6, 6, 2, 6, 2, 2};
  EXPECT_EQ(plan_shards(sizes, 10), (Shards{{0}, {1, 2}, {3, 4, 5}}));
  EXPECT_EQ(plan_shards(sizes, 100), (Shards{{0, 1, 2, 3, 4, 5}}));
  EXPECT_EQ(plan_shards({}, 10), (Shards{{}}));
  const std::vector<int64_t> oversized{6, 20, 2, 9};
  EXPECT_EQ(plan_shards(oversized, 10), (Shards{{1}, {0, 2}, {3}}));
  EXPECT_EQ(plan_shards(oversized, 10, OversizedTensor::ClosesShard), (Shards{{0}, {1}, {2}, {3}}));
}

TEST(ShardedWriter, NamesFilesAsTheReferenceDoes) {  // S02, S04, P50
  EXPECT_EQ(shard_name("model.safetensors", 0, 6), "model-00001-of-00006.safetensors");
  EXPECT_EQ(with_variant("model.safetensors", "fp16"), "model.fp16.safetensors");
  EXPECT_EQ(shard_name(with_variant("model.safetensors", "fp16"), 0, 3), "model.fp16-00001-of-00003.safetensors");
  EXPECT_EQ(index_name("model.safetensors", "fp16"), "model.safetensors.index.fp16.json");
  EXPECT_EQ(index_name("pytorch_model.bin", std::nullopt), "pytorch_model.bin.index.json");
  EXPECT_THROW((void)with_variant("model.safetensors", "../x"), ValueError);
  EXPECT_TRUE(is_shard_of("model-00001-of-00006.safetensors", "model.safetensors"));
  for (const char* other : {"model.fp16-00001-of-00006.safetensors", "model-0001-of-00006.safetensors",
                            "model-00001-of-00006.bin", "model.safetensors", "my-model-00001-of-00006.safetensors"})
    EXPECT_FALSE(is_shard_of(other, "model.safetensors")) << other;
}

std::vector<CheckpointWriteEntry> make_entries(size_t count) {
  std::vector<CheckpointWriteEntry> entries;
  for (size_t i = 0; i < count; ++i) {
    const auto value = std::make_shared<std::vector<float>>(4, static_cast<float>(i));
    entries.push_back({.name = str("t", i), .dtype = DataType::F32, .shape = {4}, .bytes = [value] {
                         return SharedBytes{std::as_bytes(std::span(*value)), value};
                       }});
  }
  return entries;
}

void save(const fs::path& folder, size_t count, const ByteSize& limit, const std::optional<std::string>& variant = {}) {
  FileTransaction transaction(folder);
  (void)write_checkpoint(transaction, write_safetensors, make_entries(count),
                         {.variant = variant, .max_shard_size = limit, .total_parameters = 12});
  transaction.commit();
}

std::vector<std::string> files(const fs::path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) out.push_back(entry.path().filename());
  return out;
}

TEST(ShardedWriter, WritesTheIndexOfTheReference) {  // S03
  const TemporaryFolder folder;
  save(folder.path(), 3, 32);
  EXPECT_EQ(read_text(folder.path() / "model.safetensors.index.json"), R"({
  "metadata": {
    "total_parameters": 12,
    "total_size": 48
  },
  "weight_map": {
    "t0": "model-00001-of-00002.safetensors",
    "t1": "model-00001-of-00002.safetensors",
    "t2": "model-00002-of-00002.safetensors"
  }
}
)");
  const auto reader = open_checkpoint(folder.path() / "model.safetensors.index.json");
  EXPECT_EQ(reader->entries().size(), 3U);
}

TEST(ShardedWriter, RemovesWhatAnEarlierSaveLeftAndNothingElse) {  // S10, V02, V17
  const TemporaryFolder folder;
  for (const char* name : {"pytorch_model-00001-of-00002.bin", "README.md", "model-best.safetensors"})
    folder.write(name, "kept");
  save(folder.path(), 2, 16, "fp16");
  save(folder.path(), 6, 16);
  save(folder.path(), 3, 16);
  const std::vector<std::string> others{"pytorch_model-00001-of-00002.bin",
                                        "README.md",
                                        "model-best.safetensors",
                                        "model.fp16-00001-of-00002.safetensors",
                                        "model.fp16-00002-of-00002.safetensors",
                                        "model.safetensors.index.fp16.json"};
  const auto with = [&](std::vector<std::string> names) {
    names.insert(names.end(), others.begin(), others.end());
    return names;
  };
  EXPECT_THAT(files(folder.path()), ::testing::UnorderedElementsAreArray(
                                        with({"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                                              "model-00003-of-00003.safetensors", "model.safetensors.index.json"})));
  save(folder.path(), 3, "1GB");
  EXPECT_THAT(files(folder.path()), ::testing::UnorderedElementsAreArray(with({"model.safetensors"})));
  save(folder.path(), 2, 16);  // the single file would be found first
  EXPECT_THAT(files(folder.path()), ::testing::UnorderedElementsAreArray(
                                        with({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                                              "model.safetensors.index.json"})));
}

}  // namespace
}  // namespace transformers
