#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "transformers/base/json.h"

namespace transformers {

/// A `*.index.json`: which file beside it holds which key (S03).
struct ShardIndex {
  std::filesystem::path file = {};
  std::vector<std::pair<std::string, std::string>> weight_map = {};  // key → file name, as the index has them
  std::vector<std::string> shards = {};                              // sorted, distinct (S11)
  Json metadata = Json::object();

  [[nodiscard]] std::filesystem::path path_of(const std::string& shard) const { return file.parent_path() / shard; }
};

/// Reads an index; opens no shard. ValueError when there is no `weight_map`, or a shard is no plain name of a file in
/// the same folder; OSError for a file that is missing or malformed.
[[nodiscard]] ShardIndex read_shard_index(const std::filesystem::path& file);

}  // namespace transformers
