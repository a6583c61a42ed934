#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers::detail {

/// Opens a `*.index.json` and every shard that its `weight_map` names. Throws ValueError when there is no `weight_map`
/// or a shard's name leads out of the folder, OSError for a missing shard, or a key that its shard lacks.
[[nodiscard]] std::unique_ptr<CheckpointReader> open_sharded(const std::filesystem::path& index_file);

/// How `shard` spells a key of its index; not every dialect spells them alike in both.
[[nodiscard]] std::string key_in_shard(const CheckpointReader& shard, std::string_view key);

}  // namespace transformers::detail
