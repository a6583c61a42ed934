#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/file_transaction.h"
#include "transformers/base/size.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// "model.safetensors" with the word before its last suffix: "model.fp16.safetensors". Throws ValueError for a word
/// that cannot be part of a file name.
[[nodiscard]] std::string with_variant(std::string_view name, const std::optional<std::string>& variant);
/// "model.safetensors" → "model-00002-of-00003.safetensors"; `index` counts from 0.
[[nodiscard]] std::string shard_name(std::string_view name, size_t index, size_t count);
/// "model.safetensors" → "model.safetensors.index.json", with a variant "model.safetensors.index.fp16.json".
[[nodiscard]] std::string index_name(std::string_view name, const std::optional<std::string>& variant);
/// True for a shard of `name`, of whatever number.
[[nodiscard]] bool is_shard_of(std::string_view file, std::string_view name);

/// How full shards are packed when a tensor alone is larger than the limit: it closes the shard before it (TF, Flax),
/// or it does not, and small tensors after it still join (PyTorch).
enum class OversizedTensor { ClosesShard, StandsApart };

/// Positions of `sizes` in each shard, in order: a tensor that would take a shard over `limit` starts a new one, one
/// larger than the limit gets its own. No optimisation: limit 10, sizes 6 6 2 6 2 2 → [6] [6 2] [6 2 2].
[[nodiscard]] std::vector<std::vector<size_t>> plan_shards(std::span<const int64_t> sizes, int64_t limit,
                                                           OversizedTensor oversized = OversizedTensor::StandsApart);

/// CheckpointFormat::write, or something in its place.
using CheckpointWriter = std::function<void(const std::filesystem::path& file,
                                            std::span<const CheckpointWriteEntry> entries, const Json& metadata)>;

struct ShardedWriteOptions {
  std::string name = "model.safetensors";  // of the file when there is one
  std::optional<std::string> variant = {};
  ByteSize max_shard_size = "50GB";
  OversizedTensor oversized = OversizedTensor::StandsApart;
  Json metadata = Json::object();                               // of every file
  std::optional<int64_t> total_parameters = {};                 // for the index
  std::string (*index_key)(const std::string& name) = nullptr;  // how the index spells a name; null: as it is
  /// Told of each file of weights when it is complete; `file` is where it lies until the transaction is committed, and
  /// may be removed.
  std::function<void(const std::string& name, const std::filesystem::path& file)> written = {};
};

/// Writes a checkpoint as one file, or as shards and their index, into `transaction`, and removes with it what an
/// earlier save under the same name and variant left: other shards, the index or the single file that no longer counts.
/// One shard is in the making at a time, and of it one tensor. Returns the names of the weights files.
std::vector<std::string> write_checkpoint(FileTransaction& transaction, const CheckpointWriter& write,
                                          std::span<const CheckpointWriteEntry> entries,
                                          const ShardedWriteOptions& options);

}  // namespace transformers
