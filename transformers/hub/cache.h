#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace transformers::hub {

/// What is known of one file of a commit.
struct FileInfo {
  int64_t size_bytes = -1;    // below 0: unknown
  std::string blob = {};      // the blob's name: SHA-256 of an LFS object, git's hash of a small file
  std::string git_id = {};    // git's hash of what git itself stores: of an LFS object, its pointer
  std::string xet_hash = {};  // the Hub's own; kept for the Python client
  std::string location = {};  // a signed address on another host that is good for a while; empty: ask the Hub
};
/// The files of a commit by name.
using FileTree = std::map<std::string, FileInfo, std::less<>>;

/// One repository in the cache that is shared with the Python client:
///   refs/<revision>            the commit of a branch, tag or pull request
///   blobs/<etag>               contents
///   snapshots/<commit>/<file>  relative links to blobs, or copies where there are no links
///   .no_exist/<commit>/<file>  files known to be absent
///   trees/<commit>.json        the listing of a commit
/// Names are checked (ValueError); what is only saved for later, such as a ref beside a file that is there already, is
/// left out quietly when the cache cannot be written.
class RepoCache {
 public:
  RepoCache(const std::filesystem::path& cache_folder, std::string_view repo_id);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// The commit that a revision stood for when it was last asked for; a commit stands for itself.
  [[nodiscard]] std::optional<std::string> commit_of(const std::string& revision) const;
  [[nodiscard]] std::filesystem::path snapshot_folder(std::string_view commit) const;
  [[nodiscard]] std::filesystem::path blob(std::string_view name) const;
  [[nodiscard]] std::filesystem::path lock_file(std::string_view blob_name) const;
  /// The file's path in the snapshot, when it is there.
  [[nodiscard]] std::optional<std::filesystem::path> find(std::string_view commit, std::string_view file) const;
  [[nodiscard]] bool is_known_absent(std::string_view commit, std::string_view file) const;
  [[nodiscard]] std::optional<FileTree> tree(std::string_view commit) const;

  void note_absent(std::string_view commit, std::string_view file) const;
  void note_revision(const std::string& revision, std::string_view commit) const;
  void note_tree(std::string_view commit, const FileTree& tree) const;
  /// Makes the folders that a download of `file` needs. Throws OSError naming the cache.
  void make_folders(std::string_view commit, std::string_view file) const;
  /// Puts the file into the snapshot; `is_new`: nothing else refers to the blob yet, so that it may be moved where
  /// links are impossible. Throws OSError.
  std::filesystem::path link(std::string_view commit, std::string_view file, std::string_view blob_name,
                             bool is_new) const;

 private:
  void write_small(const std::filesystem::path& target, std::string_view text) const;

  std::filesystem::path cache_, folder_;
};

}  // namespace transformers::hub
