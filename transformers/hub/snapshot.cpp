#include "transformers/hub/snapshot.h"

#include <algorithm>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

bool is_repo_part(std::string_view part) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return !part.empty() && part.size() <= 96 && part.find_first_not_of(allowed) == std::string_view::npos &&
         part.front() != '.' && part.front() != '-' && part.back() != '.' && part.back() != '-' &&
         part.find("..") == std::string_view::npos && part.find("--") == std::string_view::npos;
}

bool is_repo_id(std::string_view name) {
  const auto parts = split(name, '/');
  return parts.size() <= 2 && std::all_of(parts.begin(), parts.end(), is_repo_part);
}

// The snapshot folder of a cached repository, as `huggingface_hub` lays it out; empty when it is not there.
fs::path cached_snapshot(const std::string& repo, const SnapshotOptions& options) {
  const auto root = options.cache_dir.value_or(hub_cache_folder()) / ("models--" + replace_all(repo, "/", "--"));
  std::error_code ignored;
  const auto reference = path_inside(root / "refs", options.revision, "revision");
  std::string commit = options.revision;
  if (fs::is_regular_file(reference, ignored)) commit = std::string(trim(read_text(reference, 4096)));
  const auto folder = path_inside(root / "snapshots", commit, "revision");
  return fs::is_directory(folder, ignored) ? folder : fs::path();
}

Snapshot of_folder(const std::string& name, const fs::path& folder, const std::string& subfolder) {
  Snapshot snapshot{.source = name, .folder = subfolder.empty() ? folder : path_inside(folder, subfolder, "subfolder")};
  std::error_code ignored;
  if (!fs::is_directory(snapshot.folder, ignored)) throw OSError(str(folder, ": has no folder ", quote(subfolder)));
  snapshot.weights_file = lone_gguf(snapshot.folder);
  return snapshot;
}

}  // namespace

bool Snapshot::has(std::string_view name) const {
  std::error_code ignored;
  return fs::is_regular_file(file(name), ignored);
}

fs::path hub_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"})
    if (const auto value = environment(name); !value.empty()) return value;
  if (const auto home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty()) return fs::path(cache) / "huggingface" / "hub";
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

fs::path lone_gguf(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const auto name = entry.path().filename().string();
    const auto extension = entry.path().extension();
    if (name == "model.safetensors" || name == "model.safetensors.index.json") return {};
    if (name == "pytorch_model.bin" || name == "pytorch_model.bin.index.json") return {};
    if (extension == ".gguf" && entry.is_regular_file(ignored)) found.push_back(name);
  }
  if (found.size() == 1) return folder / found.front();
  if (found.empty()) return {};
  std::sort(found.begin(), found.end());
  throw OSError(str(folder, ": holds several GGUF files (", join(found, ", "), "); name the one to load"));
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
  if (!is_repo_id(name)) throw FileNotFoundError(str(name, ": no such file or folder, and no Hub id (org/name)"));
  if (const auto folder = cached_snapshot(name, options); !folder.empty())
    return of_folder(name, folder, options.subfolder);
  throw LocalEntryNotFoundError(
      str(name, ": no such folder, and the Hub cache ", options.cache_dir.value_or(hub_cache_folder()),
          " does not hold it at revision ", quote(options.revision),
          "; downloading is not part of this version: fetch the files first and name their folder"));
}

}  // namespace transformers
