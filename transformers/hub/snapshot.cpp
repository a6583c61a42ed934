#include "transformers/hub/snapshot.h"

#include <algorithm>
#include <set>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/file_transaction.h"
#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/base/strings.h"
#include "transformers/hub/environment.h"
#include "transformers/hub/names.h"
#include "transformers/hub/repository.h"
#include "transformers/hub/transfer.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kSmallFile = int64_t{32} << 20;
constexpr int64_t kMostIndexBytes = int64_t{256} << 20;
// Beside these a .gguf file is another choice, which somebody has to make.
constexpr std::string_view kOtherWeights[] = {"model", "pytorch_model", "tf_model", "flax_model", "adapter_model"};
constexpr std::string_view kOtherSuffixes[] = {".safetensors", ".bin", ".h5", ".msgpack", ".index", ".index.json"};
constexpr std::string_view kUsualWeights[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                              "pytorch_model.bin.index.json"};
constexpr std::string_view kTokenizerFiles[] = {"tokenizer_config.json",
                                                "tokenizer.json",
                                                "special_tokens_map.json",
                                                "added_tokens.json",
                                                "vocab.json",
                                                "merges.txt",
                                                "vocab.txt",
                                                "tokenizer.model",
                                                "spiece.model",
                                                "chat_template.json",
                                                "chat_template.jinja",
                                                "sentencepiece.bpe.model"};

// A clone without Git LFS leaves small texts in the place of weights; a reader would call them damaged.
void refuse_lfs_pointer(const fs::path& file) {
  std::error_code ignored;
  const auto size = fs::file_size(file, ignored);
  if (ignored || size < 64 || size > 1024 || !fs::is_regular_file(file, ignored)) return;
  if (hub::is_lfs_pointer(read_text(file, 1024)))
    throw OSError(str(file, ": is a Git LFS pointer, not the file itself; run `git lfs pull` in its folder"));
}

bool is_other_weights(std::string_view name) {
  return name == "adapter_config.json" ||
         (std::any_of(std::begin(kOtherWeights), std::end(kOtherWeights),
                      [&](std::string_view start) { return name.starts_with(start); }) &&
          std::any_of(std::begin(kOtherSuffixes), std::end(kOtherSuffixes),
                      [&](std::string_view end) { return name.ends_with(end); }));
}

// The .gguf file that a folder or repository without other weights means; empty when there is none.
std::string lone_gguf_name(std::vector<std::string> names, const std::string& where) {
  if (std::any_of(names.begin(), names.end(), is_other_weights)) return {};
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(".gguf"); });
  std::sort(names.begin(), names.end());
  if (names.size() > 1)
    throw OSError(str(where, ": holds several GGUF files (", join(names, ", "), "); name the one to load"));
  return names.empty() ? std::string() : names.front();
}

Snapshot of_folder(const std::string& name, const fs::path& folder, const std::string& subfolder) {
  Snapshot snapshot{.source = name, .folder = subfolder.empty() ? folder : path_inside(folder, subfolder, "subfolder")};
  std::error_code ignored;
  if (!fs::is_directory(snapshot.folder, ignored))
    throw OSError(str(snapshot.folder, ": has no folder ", quote(subfolder)));
  finish_transactions(snapshot.folder);  // of a save that was decided and then interrupted
  snapshot.weights_file = lone_gguf(snapshot.folder);
  return snapshot;
}

// The names directly in the repository's folder that the snapshot stands for.
std::vector<std::string> names_beside(hub::Repository& repository) {
  auto names = repository.list_if_short();
  std::erase_if(names, [](const std::string& name) { return name.find('/') != std::string::npos; });
  return names;
}

Snapshot of_repository(const std::string& name, const SnapshotOptions& options) {
  auto repository = std::make_shared<hub::Repository>(name, options);
  Snapshot snapshot{.source = name, .folder = repository->folder(), .remote = repository};
  const auto is_there = [&](std::string_view file) { return repository->cached(file).has_value(); };
  if (is_there("adapter_config.json") || std::any_of(std::begin(kUsualWeights), std::end(kUsualWeights), is_there))
    return snapshot;
  if (!repository->disconnected().empty()) {
    snapshot.weights_file = lone_gguf(snapshot.folder);
    if (snapshot.weights_file.empty()) static_cast<void>(repository->fetch("config.json"));  // or says why not
    return snapshot;
  }
  if (const auto gguf = lone_gguf_name(names_beside(*repository), name); !gguf.empty())
    snapshot.weights_file = repository->fetch(gguf);
  return snapshot;
}

}  // namespace

bool Snapshot::has(std::string_view name) const {
  std::error_code ignored;
  if (!remote) return fs::is_regular_file(folder / name, ignored);
  if (remote->cached(name)) return true;
  try {
    const auto info = remote->find(name);
    if (!info) return false;
    if (info->size_bytes <= kSmallFile) remote->fetch(name);
    return true;
  } catch (const LocalEntryNotFoundError&) {
    return false;
  }
}

fs::path Snapshot::file(std::string_view name) const {
  const auto path = folder / name;
  if (remote && !remote->cached(name) && has(name)) remote->fetch(name);
  refuse_lfs_pointer(path);
  std::error_code ignored;
  if (!remote || !is_shard_index(name) || !fs::is_regular_file(path, ignored)) return path;
  const auto index = Json::parse_file(path, kMostIndexBytes);
  std::set<std::string> shards;
  if (const auto* map = index.find("weight_map"); map && map->is_object())
    for (const auto& [key, shard] : map->as_object())
      if (shard.is_string()) shards.insert(shard.as_string());
  for (const auto& shard : shards) remote->fetch(shard);
  return path;
}

void Snapshot::fetch_tokenizer() const {
  if (!remote) return;
  for (const auto name : kTokenizerFiles) static_cast<void>(has(name));
  for (const auto& name : remote->list_if_short())
    if (name.starts_with("additional_chat_templates/")) static_cast<void>(has(name));
}

void Snapshot::fetch_texts() const {
  if (!remote) return;
  fetch_tokenizer();
  static_cast<void>(has("config.json"));
  static_cast<void>(has("generation_config.json"));
  for (const auto& name : remote->list_if_short()) {
    const bool is_text = name.ends_with(".json") || name.ends_with(".txt") || name.ends_with(".jinja");
    if (is_text && !is_shard_index(name) && std::count(name.begin(), name.end(), '/') < 2) static_cast<void>(has(name));
  }
}

std::string Snapshot::disconnected() const { return remote ? remote->disconnected() : std::string(); }

fs::path hub_cache_folder() { return hub::cache_folder(); }

fs::path lone_gguf(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored)) found.push_back(entry.path().filename());
  }
  const auto name = lone_gguf_name(std::move(found), folder.native());
  return name.empty() ? fs::path() : folder / name;
}

Snapshot resolve_snapshot(const std::string& name, const SnapshotOptions& options) {
  if (name.empty()) throw ValueError("the model name is empty; give a folder, a weights file or a Hub id");
  std::error_code ignored;
  const fs::path path(name);
  if (fs::is_directory(path, ignored)) return of_folder(name, path, options.subfolder);
  if (fs::exists(path, ignored)) {
    const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    return {.source = name, .folder = folder, .weights_file = path};
  }
  if (!hub::is_repo_id(name)) throw FileNotFoundError(str(name, ": no such file or folder, and no Hub id (org/name)"));
  return of_repository(name, options);
}

}  // namespace transformers
