#include "transformers/checkpoint/detail/sharded.h"

#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/shard_index.h"

namespace transformers::detail {
namespace {

namespace fs = std::filesystem;

// How the index of a dialect spells a key that its shard spells otherwise, and which of the two is the entry's name.
struct KeySpelling {
  std::string_view dialect;
  std::string (*in_shard)(std::string_view key);
  bool is_name;
};
constexpr KeySpelling kKeySpellings[] = {
    // F16: `bert/pooler/kernel`, in the tree of the shard bert → pooler → kernel
    {"flax", [](std::string_view key) { return replace_all(key, "/", "."); }, true},
    // T26: `tf_bert_model/bert/pooler/kernel:0`, in the shard without the model's part
    {"keras", [](std::string_view key) { return std::string(key.substr(key.find('/') + 1)); }, false},
};

// Where a key lies: as its shard spells it, and what its entry is called.
struct Home {
  std::string_view shard;
  std::string name;
};
using Homes = std::unordered_map<std::string, Home>;

std::pair<std::string, std::string> spellings(const CheckpointReader& shard, std::string_view key) {
  if (!shard.find(key))
    for (const auto& row : kKeySpellings)
      if (row.dialect == shard.dialect()) {
        auto in_shard = row.in_shard(key);
        auto name = row.is_name ? in_shard : std::string(key);
        return {std::move(in_shard), std::move(name)};
      }
  return {std::string(key), std::string(key)};
}

class ShardedReader final : public CheckpointReader {
 public:
  explicit ShardedReader(const fs::path& index_file) {
    const auto index = read_shard_index(index_file);
    std::unordered_map<std::string_view, size_t> positions;
    for (const auto& name : index.shards) {
      positions.emplace(name, files_.size());
      open_shard(index_file, index.path_of(name));
    }
    check_dialects(index_file);
    Homes homes;
    homes.reserve(index.weight_map.size());
    for (const auto& [key, shard] : index.weight_map) {
      auto [in_shard, name] = spellings(*shards_[positions.at(shard)], key);
      if (!homes.emplace(std::move(in_shard), Home{shard, std::move(name)}).second)
        throw OSError(str(index_file, ": 'weight_map' names ", quote(key), " twice"));
    }
    for (size_t i = 0; i < index.shards.size(); ++i) add_entries(index_file, homes, index.shards[i], i);
    check_complete(index_file, homes);
    metadata_ = index.metadata;
    state_format(index_file);
  }

  std::span<const CheckpointEntry> entries() const override { return entries_; }
  const CheckpointEntry* find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &entries_[found->second];
  }
  SharedBytes bytes(const CheckpointEntry& entry) const override {
    if (entry.file >= shards_.size())
      throw ValueError(str("the entry ", quote(entry.name), " names file ", entry.file, " of ", shards_.size()));
    const auto found = by_name_.find(entry.name);
    return shards_[entry.file]->bytes(found == by_name_.end() ? entry : *originals_[found->second]);
  }
  Integrity verify(const CheckpointEntry& entry) const override {
    const auto found = by_name_.find(entry.name);
    if (entry.file >= shards_.size() || found == by_name_.end()) return Integrity::Unknown;
    return shards_[entry.file]->verify(*originals_[found->second]);
  }
  void advise(const CheckpointEntry& entry, Advice advice) const override {
    const auto found = by_name_.find(entry.name);
    if (entry.file < shards_.size() && found != by_name_.end())
      shards_[entry.file]->advise(*originals_[found->second], advice);
  }
  std::span<const fs::path> files() const override { return files_; }
  const Json& metadata() const override { return metadata_; }
  std::string_view dialect() const override { return shards_.empty() ? "transformers" : shards_[0]->dialect(); }

 private:
  void check_dialects(const fs::path& index_file) const {
    for (size_t i = 1; i < shards_.size(); ++i)
      if (shards_[i]->dialect() != shards_[0]->dialect())
        throw OSError(str(index_file, ": the shards ", files_[0].filename(), " and ", files_[i].filename(),
                          " are of different kinds, ", shards_[0]->dialect(), " and ", shards_[i]->dialect()));
  }

  // P62: the shards say what their format is, the index does not.
  void state_format(const fs::path& index_file) {
    const auto stated = [&](size_t i) -> std::string {
      const auto* format = shards_[i]->metadata().find("format");
      return format && format->is_string() ? format->as_string() : std::string();
    };
    for (size_t i = 1; i < shards_.size(); ++i)
      if (stated(i) != stated(0))
        throw OSError(str(index_file, ": the shards ", files_[0].filename(), " and ", files_[i].filename(),
                          " state different formats, ", quote(stated(0)), " and ", quote(stated(i))));
    if (!stated(0).empty()) metadata_["format"] = stated(0);
  }

  void open_shard(const fs::path& index_file, fs::path path) {
    try {
      shards_.push_back(open_checkpoint(path));
    } catch (const FileNotFoundError&) {
      throw FileNotFoundError(str(path, ": this shard is missing, ", index_file.filename(), " needs it"));
    }
    files_.push_back(std::move(path));
  }

  // A key that lies in several shards counts where the index says; one that the index does not know counts once.
  void add_entries(const fs::path& index_file, const Homes& homes, std::string_view name, size_t position) {
    for (const auto& entry : shards_[position]->entries()) {
      const auto home = homes.find(entry.name);
      if (home != homes.end() && home->second.shard != name) continue;
      if (home == homes.end() && !unlisted_.emplace(entry.name, position).second)
        throw OSError(str(index_file, ": ", quote(entry.name), " is in ", files_[unlisted_.at(entry.name)].filename(),
                          " and ", name, ", and the index does not say which counts"));
      entries_.push_back(entry);
      entries_.back().file = position;
      if (home != homes.end()) entries_.back().name = home->second.name;
      originals_.push_back(&entry);
    }
  }

  void check_complete(const fs::path& index_file, const Homes& homes) {
    for (size_t i = 0; i < entries_.size(); ++i) by_name_.emplace(entries_[i].name, i);
    for (const auto& [in_shard, home] : homes)
      if (!by_name_.contains(home.name))
        throw OSError(str(index_file, ": 'weight_map' places ", quote(home.name), " in ", quote(home.shard),
                          ", which does not hold it"));
  }

  std::vector<fs::path> files_;
  std::vector<std::unique_ptr<CheckpointReader>> shards_;
  std::vector<CheckpointEntry> entries_;
  std::vector<const CheckpointEntry*> originals_;  // of each entry, in its shard
  std::unordered_map<std::string, size_t> unlisted_;
  std::unordered_map<std::string_view, size_t> by_name_;  // views into entries_
  Json metadata_ = Json::object();
};

}  // namespace

std::string key_in_shard(const CheckpointReader& shard, std::string_view key) { return spellings(shard, key).first; }

std::unique_ptr<CheckpointReader> open_sharded(const fs::path& index_file) {
  return std::make_unique<ShardedReader>(index_file);
}

}  // namespace transformers::detail
