#include "transformers/checkpoint/verify.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/sharded.h"
#include "transformers/checkpoint/sharded_writer.h"
#include "transformers/checkpoint/weights_files.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostIndexBytes = 256 << 20;

bool is_index(const fs::path& file) { return is_shard_index(file.filename().native()); }

// `model-00002-of-00003.safetensors`: the numbers, and the name without them.
struct ShardName {
  int64_t number = 0, count = 0;
  std::string family = {};
};

std::optional<ShardName> parse_shard_name(std::string_view name) {
  constexpr size_t kNumbers = std::string_view("-00001-of-00003").size();
  const auto at = name.find("-of-");
  if (at == std::string_view::npos || at < 6 || at + 9 > name.size()) return std::nullopt;
  const auto digits = str(name.substr(at - 5, 5), name.substr(at + 4, 5));
  if (name[at - 6] != '-' || !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  return ShardName{.number = std::stoll(digits.substr(0, 5)),
                   .count = std::stoll(digits.substr(5)),
                   .family = str(name.substr(0, at - 6), name.substr(at - 6 + kNumbers))};
}

class Verifier {
 public:
  explicit Verifier(const VerifyOptions& options) : options_(options) {}

  std::vector<Finding> verify(const fs::path& path) {
    if (!fs::exists(path)) throw FileNotFoundError(str(path, ": no such file or folder"));
    if (!fs::is_directory(path)) {
      if (is_index(path))
        check_index(path);
      else
        check_file(path);
      return finish();
    }
    std::set<fs::path> files;
    for (const auto& item : fs::directory_iterator(path))
      if (item.is_regular_file() && (is_index(item.path()) || is_weights_file(item.path()))) files.insert(item.path());
    if (files.empty()) throw OSError(str(path, ": the folder holds no weights of a format that this version reads"));
    for (const auto& file : files)
      if (is_index(file)) check_index(file);
    for (const auto& file : files)
      if (!is_index(file) && !in_an_index_.contains(file)) check_unlisted(file);
    return finish();
  }

 private:
  void error(const fs::path& file, std::string message, std::string_view key = {}) {
    findings_.push_back(Finding{Severity::Error, file, std::string(key), std::move(message)});
  }
  void warn(const fs::path& file, std::string message, std::string_view key = {}) {
    findings_.push_back(Finding{Severity::Warning, file, std::string(key), std::move(message)});
  }

  std::vector<Finding> finish() {
    sort_by_file(findings_);
    return std::move(findings_);
  }

  // Opens a file and looks at its tensors; null when it cannot be opened.
  std::unique_ptr<CheckpointReader> check_file(const fs::path& file) {
    std::unique_ptr<CheckpointReader> reader;
    try {
      reader = open_checkpoint(file);
    } catch (const Error& reason) {
      error(file, reason.what());
      return nullptr;
    }
    if (reader->entries().empty()) error(file, "holds no tensors");
    for (const auto& entry : reader->entries()) {
      const bool is_empty = std::find(entry.shape.begin(), entry.shape.end(), 0) != entry.shape.end();
      if (is_empty) warn(file, str("the tensor has no elements: its shape is ", entry.shape), entry.name);
      if (options_.checksums) reader->advise(entry, Advice::WillNeed);
      if (options_.checksums && reader->verify(entry) == Integrity::Damaged)
        error(file, "the data does not match its checksum: it is damaged, download it again", entry.name);
    }
    return reader;
  }

  // A file of a folder that no index names.
  void check_unlisted(const fs::path& file) {
    const auto shard = parse_shard_name(file.filename().native());
    if (shard && families_.contains(shard->family))
      warn(file, str("is not named by ", families_.at(shard->family), ": left over from another save"));
    else if (shard && shard->count > 1)
      warn(file, str("is one of ", shard->count, " files, but no index names it"));
    else if (const auto index = index_name(file.filename().native(), std::nullopt);
             fs::exists(file.parent_path() / index))
      warn(file, str("hides the files that ", index, " names: a single file is read first"));
    check_file(file);
  }

  void check_index(const fs::path& file) {
    Json index;
    try {
      index = Json::parse_file(file, kMostIndexBytes);
    } catch (const Error& reason) {
      return error(file, reason.what());
    }
    const Json* map = index.find("weight_map");
    if (!map || !map->is_object()) return error(file, "the index has no object 'weight_map' from keys to files");
    std::map<std::string, std::vector<std::string_view>> shards;  // file name → the keys that it should hold
    std::unordered_map<std::string_view, std::string_view> homes;
    for (const auto& [key, shard] : map->as_object()) {
      if (!shard.is_string())
        error(file, str("'weight_map' gives a ", shard.type_name(), ", expected a file name"), key);
      else if (!homes.emplace(key, shard.as_string()).second)
        error(file, "'weight_map' names the key twice", key);
      else
        shards[shard.as_string()].push_back(key);
    }
    check_numbering(file, shards);
    uint64_t total_bytes = 0;
    bool is_complete = true;
    for (const auto& [shard, keys] : shards) is_complete &= check_shard(file, shard, keys, homes, total_bytes);
    if (is_complete) check_total(file, index, total_bytes);
  }

  template <class Shards>
  void check_numbering(const fs::path& file, const Shards& shards) {
    for (const auto& [name, keys] : shards) {
      const auto shard = parse_shard_name(name);
      if (!shard) continue;
      families_.emplace(shard->family, file.filename().native());
      if (shard->number < 1 || shard->number > shard->count || static_cast<size_t>(shard->count) != shards.size())
        return warn(file, str("names ", shards.size(), " files, among them ", name));
    }
  }

  // False when the shard could not be held against the index.
  bool check_shard(const fs::path& index, const std::string& name, std::span<const std::string_view> keys,
                   const std::unordered_map<std::string_view, std::string_view>& homes, uint64_t& total_bytes) {
    fs::path file;
    try {
      file = path_inside(index.parent_path(), name, index.native());
    } catch (const ValueError& reason) {
      error(index, reason.what());
      return false;
    }
    if (file.parent_path() != index.parent_path() || is_index(file)) {
      error(index, str("the shard ", quote(name), " is no weights file in the same folder"));
      return false;
    }
    in_an_index_.insert(file);
    const auto reader = check_file(file);
    if (!reader) return false;
    std::set<std::string> placed_here;
    for (const auto key : keys) {
      const auto spelled = detail::key_in_shard(*reader, key);
      if (!reader->find(spelled)) error(index, str("is not in ", name, ", where the index places it"), key);
      placed_here.insert(spelled);
    }
    for (const auto& entry : reader->entries()) {
      if (placed_here.contains(entry.name))
        total_bytes += entry.size_bytes;
      else if (const auto home = homes.find(entry.name); home != homes.end())
        warn(file, str("is a second copy: ", index.filename(), " places the key in ", home->second), entry.name);
      else
        warn(file, str("is not named by ", index.filename()), entry.name);
    }
    return true;
  }

  void check_total(const fs::path& file, const Json& index, uint64_t total_bytes) {
    const Json* metadata = index.find("metadata");
    const Json* stated = metadata ? metadata->find("total_size") : nullptr;
    if (!stated) return warn(file, "the index states no 'total_size'");
    if (!stated->is_number()) return warn(file, str("'total_size' is a ", stated->type_name(), ", expected a number"));
    if (stated->as_double() != static_cast<double>(total_bytes))
      warn(file, str("'total_size' is ", stated->dump(), ", the tensors take ", total_bytes, " bytes"));
  }

  const VerifyOptions options_;
  std::vector<Finding> findings_;
  std::set<fs::path> in_an_index_;
  std::map<std::string, std::string> families_;  // of numbered shards → the index that names them
};

}  // namespace

std::vector<Finding> verify_checkpoint(const fs::path& path, const VerifyOptions& options) {
  return Verifier(options).verify(path);
}

}  // namespace transformers
