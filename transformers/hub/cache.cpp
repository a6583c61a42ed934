#include "transformers/hub/cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/environment.h"
#include "transformers/hub/names.h"

namespace transformers::hub {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMostTreeBytes = int64_t{256} << 20;
// The tag of bford.info/cachedir, which backup programs look for.
constexpr std::string_view kCacheTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n# Files fetched from a Hub; they can be fetched again.\n";

// A name that no other process or thread uses now.
std::string unique_suffix() {
  static std::atomic<uint64_t> counter{0};
  return str(".", int64_t{::getpid()}, "-", counter++, ".tmp");
}

void check_commit(std::string_view commit) {
  check_revision(commit);
  if (commit.find('/') != std::string_view::npos)
    throw ValueError(str("the commit ", quote(commit), " has a slash; remove the repository from the cache"));
}

// From snapshots/<commit>/<file> back to the repository.
fs::path relative_blob(std::string_view file, std::string_view blob_name) {
  std::string link = "../../";
  for (const char c : file)
    if (c == '/') link += "../";
  return str(link, "blobs/", blob_name);
}

// Copies beside the target first: a cut copy is never seen under the name.
void copy_blob(const fs::path& from, const fs::path& to) {
  const auto temporary = fs::path(str(to, unique_suffix()));
  std::error_code failure;
  fs::copy_file(from, temporary, failure);
  if (!failure) fs::rename(temporary, to, failure);
  if (!failure) return;
  std::error_code ignored;
  fs::remove(temporary, ignored);
  throw OSError(str(to, ": the file cannot be copied from the cache's blobs: ", failure.message()));
}

FileInfo file_info(const Json& entry) {
  FileInfo info{.size_bytes = entry.at("size").as_int(), .blob = blob_name(entry.at("blob_id").as_string())};
  info.git_id = info.blob;
  info.xet_hash = entry.get("xet_hash", "");
  if (const auto* hash = entry.find("lfs_sha256"); hash && hash->is_string()) {
    info.blob = blob_name(hash->as_string());
    info.size_bytes = entry.at("lfs_size").as_int();
  }
  if (info.size_bytes < 0) throw HubError("a size below zero");
  return info;
}

}  // namespace

RepoCache::RepoCache(const fs::path& cache_folder, std::string_view repo_id) : cache_(cache_folder) {
  check_repo_id(repo_id);
  folder_ = cache_ / ("models--" + replace_all(repo_id, "/", "--"));
}

std::optional<std::string> RepoCache::commit_of(const std::string& revision) const {
  check_revision(revision);
  std::error_code ignored;
  if (is_commit(revision)) return revision;
  if (const auto file = folder_ / "refs" / revision; fs::is_regular_file(file, ignored)) {
    const std::string commit(trim(read_text(file, 4096)));
    check_commit(commit);
    return commit;
  }
  if (revision.find('/') == std::string::npos && fs::is_directory(folder_ / "snapshots" / revision, ignored))
    return revision;
  return std::nullopt;
}

fs::path RepoCache::snapshot_folder(std::string_view commit) const {
  check_commit(commit);
  return folder_ / "snapshots" / commit;
}

fs::path RepoCache::blob(std::string_view name) const { return folder_ / "blobs" / blob_name(name); }

fs::path RepoCache::lock_file(std::string_view name) const {
  return cache_ / ".locks" / folder_.filename() / str(blob_name(name), ".lock");
}

std::optional<fs::path> RepoCache::find(std::string_view commit, std::string_view file) const {
  check_file_name(file);
  auto path = snapshot_folder(commit) / file;
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) ? std::optional(std::move(path)) : std::nullopt;
}

bool RepoCache::is_known_absent(std::string_view commit, std::string_view file) const {
  check_commit(commit);
  check_file_name(file);
  std::error_code ignored;
  return fs::is_regular_file(folder_ / ".no_exist" / commit / file, ignored);
}

std::optional<FileTree> RepoCache::tree(std::string_view commit) const {
  check_commit(commit);
  const auto file = folder_ / "trees" / str(commit, ".json");
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return std::nullopt;
  try {
    const auto json = Json::parse_file(file, kMostTreeBytes);
    if (json.at("format_version") != Json(1)) return std::nullopt;
    FileTree tree;
    for (const auto& [name, entry] : json.at("files").as_object()) {
      check_file_name(name);
      tree.emplace(name, file_info(entry));
    }
    return tree;
  } catch (const Error& error) {
    logging::warning(str(file, ": is ignored, since it is no listing of a repository: ", error.what()));
    return std::nullopt;
  }
}

// The temporary file lies in the repository's folder: among the refs it would be taken for one.
void RepoCache::write_small(const fs::path& target, std::string_view text) const {
  std::error_code failure;
  fs::create_directories(target.parent_path(), failure);
  const auto temporary = folder_ / str(".", target.filename(), unique_suffix());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  const bool is_written = descriptor >= 0 &&
                          ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                          ::fsync(descriptor) == 0;
  const int code = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (is_written && ::rename(temporary.c_str(), target.c_str()) == 0) return;
  logging::debug(str(target, ": cannot be written: ", std::strerror(is_written ? errno : code)));
  ::unlink(temporary.c_str());
}

void RepoCache::note_absent(std::string_view commit, std::string_view file) const {
  if (is_known_absent(commit, file)) return;
  const auto path = folder_ / ".no_exist" / commit / file;
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor >= 0) ::close(descriptor);
}

void RepoCache::note_revision(const std::string& revision, std::string_view commit) const {
  check_revision(revision);
  check_commit(commit);
  if (revision == commit) return;
  const auto file = folder_ / "refs" / revision;
  std::error_code ignored;
  if (fs::is_regular_file(file, ignored) && read_text(file, 4096) == commit) return;
  write_small(file, commit);
}

void RepoCache::note_tree(std::string_view commit, const FileTree& tree) const {
  check_commit(commit);
  Json files = Json::object();
  for (const auto& [name, info] : tree) {
    Json entry = Json::object();
    entry["size"] = info.size_bytes;
    entry["blob_id"] = info.git_id;
    if (is_sha256(info.blob)) {
      entry["lfs_sha256"] = info.blob;
      entry["lfs_size"] = info.size_bytes;
    }
    if (!info.xet_hash.empty()) entry["xet_hash"] = info.xet_hash;
    files.as_object().emplace_back(name, std::move(entry));
  }
  const Json json(Json::Object{{"format_version", 1}, {"files", std::move(files)}});
  write_small(folder_ / "trees" / str(commit, ".json"), json.dump({.indent = 1, .ensure_ascii = true}));
}

void RepoCache::make_folders(std::string_view commit, std::string_view file) const {
  const auto pointer = snapshot_folder(commit) / file;
  for (const auto& folder : {folder_ / "blobs", pointer.parent_path()}) {
    std::error_code failure;
    fs::create_directories(folder, failure);
    if (failure)
      throw OSError(str(cache_, ": the Hub cache cannot be written (", folder, ": ", failure.message(),
                        "); let HF_HUB_CACHE name a folder of yours"));
  }
  const auto tag = cache_ / "CACHEDIR.TAG";
  const int descriptor = ::open(tag.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0) return;
  static_cast<void>(::write(descriptor, kCacheTag.data(), kCacheTag.size()) < 0);
  ::close(descriptor);
}

fs::path RepoCache::link(std::string_view commit, std::string_view file, std::string_view name, bool is_new) const {
  check_file_name(file);
  const auto pointer = snapshot_folder(commit) / file;
  if (!are_links_disabled()) {
    // Made under another name and renamed: a file that is there is replaced in one step.
    const auto temporary = fs::path(str(pointer, unique_suffix()));
    const auto target = relative_blob(file, blob_name(name));
    if (::symlink(target.c_str(), temporary.c_str()) == 0) {
      if (::rename(temporary.c_str(), pointer.c_str()) == 0) return pointer;
      const int code = errno;
      ::unlink(temporary.c_str());
      throw OSError(str(pointer, ": the link to the cache's blob cannot be made: ", std::strerror(code)));
    }
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EACCES)
      throw OSError(str(pointer, ": the link to the cache's blob cannot be made: ", std::strerror(errno)));
  }
  std::error_code failure;
  if (is_new) fs::rename(blob(name), pointer, failure);
  if (!is_new || failure) copy_blob(blob(name), pointer);
  return pointer;
}

}  // namespace transformers::hub
