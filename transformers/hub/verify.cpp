#include "transformers/hub/verify.h"

#include <chrono>
#include <cstdlib>
#include <optional>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/hub/cache.h"
#include "transformers/hub/hash.h"
#include "transformers/hub/names.h"

namespace transformers::hub {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostMetadataBytes = 4096;

bool is_hash(std::string_view text) { return is_sha256(text) || is_commit(text); }

// Of a link into the cache: the name of its blob, which is the hash.
std::optional<std::string> hash_of_blob(const fs::path& link) {
  const auto target = fs::read_symlink(link);
  if (target.parent_path().filename() != "blobs" || !is_hash(target.filename().native())) return std::nullopt;
  return target.filename().native();
}

// The listing of the commit that a snapshot of the cache is of: caches without links have copies of the blobs.
FileTree tree_of(const fs::path& folder) {
  constexpr std::string_view kKind = "models--";
  const auto repo = folder.parent_path().parent_path();
  const auto commit = folder.filename().native(), name = repo.filename().native();
  if (folder.parent_path().filename() != "snapshots" || !is_commit(commit) || !name.starts_with(kKind)) return {};
  const auto id = replace_all(name.substr(kKind.size()), "--", "/");
  if (!is_repo_id(id)) return {};
  return RepoCache(repo.parent_path(), id).tree(commit).value_or(FileTree());
}

// What the Python client notes beside the files of a `local_dir`: three lines, commit, hash and the time in seconds.
struct Note {
  std::string hash = {};
  double seconds = 0;
};
constexpr std::string_view kNotes = ".cache/huggingface/download";

// The `local_dir` that a folder is, or lies in; empty when it is none.
fs::path local_dir_of(const fs::path& folder) {
  std::error_code ignored;
  for (auto path = fs::absolute(folder).lexically_normal(); path.has_relative_path(); path = path.parent_path())
    if (fs::is_directory(path / kNotes, ignored)) return path;
  return {};
}

std::optional<Note> note_of(const fs::path& local_dir, const fs::path& file) {
  if (local_dir.empty()) return std::nullopt;
  auto path = local_dir / kNotes / fs::absolute(file).lexically_normal().lexically_relative(local_dir);
  path += ".metadata";
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  const auto text = read_text(path, kMostMetadataBytes);
  const auto lines = split(text, '\n');
  if (lines.size() < 3 || !is_hash(trim(lines[1]))) return std::nullopt;
  return Note{.hash = std::string(trim(lines[1])), .seconds = std::strtod(std::string(lines[2]).c_str(), nullptr)};
}

bool has_hash(const fs::path& file, std::string_view expected) {
  return (is_sha256(expected) ? file_sha256(file) : file_git_hash(file)) == expected;
}

// Seconds since 1970.
double time_of_change(const fs::path& file) {
  const auto time = std::chrono::file_clock::to_sys(fs::last_write_time(file));
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

class Verifier {
 public:
  explicit Verifier(fs::path folder)
      : folder_(std::move(folder)), local_dir_(local_dir_of(folder_)), tree_(tree_of(folder_)) {}

  void check(const fs::path& file) {
    if (fs::is_symlink(file)) {
      if (const auto hash = hash_of_blob(file)) check_blob(file, *hash);
    } else if (const auto entry = tree_.find(file.lexically_relative(folder_).generic_string()); entry != tree_.end()) {
      if (is_hash(entry->second.blob) && !has_hash(file, entry->second.blob)) add_damaged(file, entry->second.blob);
    } else if (const auto note = note_of(local_dir_, file); note && !has_hash(file, note->hash)) {
      // The time of the note is that of the end of the download, the file's is a little earlier.
      if (time_of_change(file) > note->seconds + 1)
        add(Severity::Warning, file, "was changed after it had been downloaded");
      else
        add_damaged(file, note->hash);
    }
  }

  std::vector<Finding> finish() {
    sort_by_file(findings_);
    return std::move(findings_);
  }

 private:
  void add(Severity severity, const fs::path& file, std::string message) {
    findings_.push_back({.severity = severity, .file = file, .key = {}, .message = std::move(message)});
  }
  void add_damaged(const fs::path& file, std::string_view hash) {
    add(Severity::Error, file,
        str("does not have the ", is_sha256(hash) ? "SHA-256" : "git hash", " that the Hub gave for it, ", hash,
            ": it is damaged, download it again"));
  }
  void check_blob(const fs::path& file, std::string_view hash) {
    if (!fs::exists(file))
      add(Severity::Error, file, str("its content, the blob ", hash, ", is gone from the cache: download it again"));
    else if (fs::is_regular_file(file) && !has_hash(file, hash))
      add_damaged(file, hash);
  }

  fs::path folder_, local_dir_;
  FileTree tree_;
  std::vector<Finding> findings_;
};

std::vector<Finding> verify(const fs::path& path) {
  if (!fs::is_directory(path)) {
    Verifier verifier(path.has_parent_path() ? path.parent_path() : ".");
    verifier.check(path);
    return verifier.finish();
  }
  Verifier verifier(path.has_filename() ? path : path.parent_path());
  fs::recursive_directory_iterator item(path);
  for (; item != fs::recursive_directory_iterator(); ++item) {
    if (item->is_directory() && (item->path().filename() == ".cache" || item->path().filename() == ".git"))
      item.disable_recursion_pending();
    else if (item->is_symlink() || item->is_regular_file())
      verifier.check(item->path());
  }
  return verifier.finish();
}

}  // namespace

std::vector<Finding> verify_downloads(const fs::path& path) {
  try {
    return verify(path);
  } catch (const fs::filesystem_error& error) {
    throw OSError(str(error.path1(), ": cannot be examined: ", error.code().message()));
  }
}

}  // namespace transformers::hub
