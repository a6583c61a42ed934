#include "transformers/checkpoint/detail/sharded.h"

#include <map>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostIndexBytes = 256 << 20;

// Key → shard, as the index says it.
using WeightMap = std::unordered_map<std::string_view, std::string_view>;

WeightMap read_weight_map(const Json& index, const fs::path& file) {
  const Json* map = index.find("weight_map");
  if (!map || !map->is_object())
    throw ValueError(str(file, ": the index has no object 'weight_map' from keys to files"));
  WeightMap out;
  out.reserve(map->size());
  for (const auto& [key, shard] : map->as_object()) {
    if (!shard.is_string())
      throw ValueError(
          str(file, ": 'weight_map' gives ", quote(key), " a ", shard.type_name(), ", expected a file name"));
    if (!out.emplace(key, shard.as_string()).second)
      throw OSError(str(file, ": 'weight_map' names ", quote(key), " twice"));
  }
  return out;
}

fs::path shard_path(const fs::path& index_file, std::string_view name) {
  if (name == "." || name.find('/') != std::string_view::npos)
    throw ValueError(str(index_file, ": the shard ", quote(name), " is no plain file name in the same folder"));
  if (name.ends_with(".json"))  // an index that names itself would never end
    throw ValueError(str(index_file, ": the shard ", quote(name), " is no weights file"));
  return path_inside(index_file.parent_path(), name, index_file.native());
}

class ShardedReader final : public CheckpointReader {
 public:
  explicit ShardedReader(const fs::path& index_file) {
    const Json index = Json::parse_file(index_file, kMostIndexBytes);
    const WeightMap map = read_weight_map(index, index_file);
    std::map<std::string_view, size_t> shards;  // S11: sorted, distinct
    for (const auto& [key, shard] : map) shards.emplace(shard, 0);
    for (auto& [name, position] : shards) {
      position = files_.size();
      open_shard(index_file, name);
    }
    for (auto& [name, position] : shards) add_entries(index_file, map, name, position);
    check_complete(index_file, map);
    if (const Json* metadata = index.find("metadata"); metadata && metadata->is_object()) metadata_ = *metadata;
  }

  std::span<const CheckpointEntry> entries() const override { return entries_; }
  const CheckpointEntry* find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &entries_[found->second];
  }
  SharedBytes bytes(const CheckpointEntry& entry) const override {
    if (entry.file >= shards_.size())
      throw ValueError(str("the entry ", quote(entry.name), " names file ", entry.file, " of ", shards_.size()));
    return shards_[entry.file]->bytes(entry);
  }
  std::span<const fs::path> files() const override { return files_; }
  const Json& metadata() const override { return metadata_; }
  std::string_view dialect() const override { return "transformers"; }

 private:
  void open_shard(const fs::path& index_file, std::string_view name) {
    auto path = shard_path(index_file, name);
    try {
      shards_.push_back(open_checkpoint(path));
    } catch (const FileNotFoundError&) {
      throw FileNotFoundError(str(path, ": this shard is missing, ", index_file.filename(), " needs it"));
    }
    files_.push_back(std::move(path));
  }

  // A key that lies in several shards counts where the index says; one that the index does not know counts once.
  void add_entries(const fs::path& index_file, const WeightMap& map, std::string_view name, size_t position) {
    for (const auto& entry : shards_[position]->entries()) {
      const auto home = map.find(entry.name);
      if (home != map.end() && home->second != name) continue;
      if (home == map.end() && !unlisted_.emplace(entry.name, position).second)
        throw OSError(str(index_file, ": ", quote(entry.name), " is in ", files_[unlisted_.at(entry.name)].filename(),
                          " and ", name, ", and the index does not say which counts"));
      entries_.push_back(entry);
      entries_.back().file = position;
    }
  }

  void check_complete(const fs::path& index_file, const WeightMap& map) {
    for (size_t i = 0; i < entries_.size(); ++i) by_name_.emplace(entries_[i].name, i);
    for (const auto& [key, shard] : map)
      if (!by_name_.contains(key))
        throw OSError(
            str(index_file, ": 'weight_map' places ", quote(key), " in ", quote(shard), ", which does not hold it"));
  }

  std::vector<fs::path> files_;
  std::vector<std::unique_ptr<CheckpointReader>> shards_;
  std::vector<CheckpointEntry> entries_;
  std::unordered_map<std::string, size_t> unlisted_;
  std::unordered_map<std::string_view, size_t> by_name_;  // views into entries_
  Json metadata_ = Json::object();
};

}  // namespace

std::unique_ptr<CheckpointReader> open_sharded(const fs::path& index_file) {
  return std::make_unique<ShardedReader>(index_file);
}

}  // namespace transformers::detail
