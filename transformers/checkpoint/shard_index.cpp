#include "transformers/checkpoint/shard_index.h"

#include <set>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

constexpr int64_t kMostIndexBytes = 256 << 20;

void check_shard(const std::filesystem::path& file, const std::string& name) {
  if (name == "." || name.find('/') != std::string::npos)
    throw ValueError(str(file, ": the shard ", quote(name), " is no plain file name in the same folder"));
  if (name.ends_with(".json"))  // an index that names itself would never end
    throw ValueError(str(file, ": the shard ", quote(name), " is no weights file"));
  static_cast<void>(path_inside(file.parent_path(), name, file.native()));
}

}  // namespace

ShardIndex read_shard_index(const std::filesystem::path& file) {
  const Json index = Json::parse_file(file, kMostIndexBytes);
  const Json* map = index.find("weight_map");
  if (!map || !map->is_object())
    throw ValueError(str(file, ": the index has no object 'weight_map' from keys to files"));
  if (map->size() == 0)
    throw ValueError(
        str(file, ": 'weight_map' is empty, expected the file of each key; save or fetch the index again"));
  ShardIndex out{.file = file};
  std::unordered_set<std::string_view> keys;
  std::set<std::string> shards;
  for (const auto& [key, shard] : map->as_object()) {
    if (!shard.is_string())
      throw ValueError(
          str(file, ": 'weight_map' gives ", quote(key), " a ", shard.type_name(), ", expected a file name"));
    if (!keys.insert(key).second) throw OSError(str(file, ": 'weight_map' names ", quote(key), " twice"));
    if (shards.insert(shard.as_string()).second) check_shard(file, shard.as_string());
    out.weight_map.emplace_back(key, shard.as_string());
  }
  out.shards.assign(shards.begin(), shards.end());
  if (const Json* metadata = index.find("metadata"); metadata && metadata->is_object()) out.metadata = *metadata;
  return out;
}

}  // namespace transformers
