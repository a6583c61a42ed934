#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/hub/download.h"

namespace transformers {

/// The upload arguments of the reference. What is not said comes from the environment.
struct UploadOptions {
  std::string revision = "main";      // a branch, made when it is absent; a refs/pr/N must exist
  bool create_pr = false;             // open a pull request instead of committing
  std::optional<bool> private_ = {};  // of a repository that is made; none: as its owner's settings say
  std::string commit_message = "Upload folder using transformers.cpp", commit_description = {};
  std::string parent_commit = {};  // when set, the branch must still stand there
  std::optional<TokenArg> token = {};
  std::map<std::string, std::string> proxies = {};  // as in DownloadOptions
  hub::RetryPolicy retry = {};
  hub::TransferTuning tuning = {};
};

/// What a commit came to.
struct CommitInfo {
  std::string repo_id = {};  // with its namespace
  std::string oid = {}, commit_url = {};
  std::string pr_url = {};  // set when a pull request was opened
  bool is_new = true;       // false: nothing differed from what is there, and the commit is the one that was

  /// Of the pull request, else of the commit.
  [[nodiscard]] const std::string& url() const { return pr_url.empty() ? commit_url : pr_url; }
};

/// Changes to a model repository that become one commit. The repository and the branch are made when they are absent;
/// "name" without an organisation is one of the token's user. Files that the Hub has by their hash are not sent, large
/// ones go to its LFS storage in parts, and an upload that broke goes on when it is done again: whole files are found
/// by their hash, finished parts by a note in `$HF_HOME/transformers.cpp`. Not thread-safe.
///
/// Every method throws HubError and its kinds, ConnectionError, OSError, ValueError.
class UploadCommit {
 public:
  /// Throws OfflineModeIsEnabled when the environment forbids the network.
  UploadCommit(std::string repo_id, UploadOptions options = {});
  ~UploadCommit();
  UploadCommit(const UploadCommit&) = delete;
  UploadCommit& operator=(const UploadCommit&) = delete;

  /// With its namespace.
  [[nodiscard]] const std::string& repo_id() const;
  /// A file, which must stay as it is until it `is_sent` or the commit is made; a later one of the same name wins.
  void add_file(const std::string& path_in_repo, const std::filesystem::path& file);
  void add_text(const std::string& path_in_repo, std::string text);
  /// Removes a file that the repository has.
  void remove_file(const std::string& path_in_repo);
  /// Sends now what belongs into the LFS storage. `commit` does it too.
  void send();
  /// Whether the local file is not needed any more.
  [[nodiscard]] bool is_sent(const std::string& path_in_repo) const;
  /// Makes the commit; when nothing differs from what is there, none is made. The object is empty afterwards.
  CommitInfo commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Which files of a folder are uploaded, and where to.
struct FolderOptions {
  FilePatterns patterns = {};     // of paths in the folder
  std::string path_in_repo = {};  // a folder of the repository
};

/// What becomes of links that lead out of a folder.
enum class OutsideLinks { Refuse, LeaveOut };

/// The files of a folder by their paths in it, sorted. Left out are `.git`, the Python client's `.cache/huggingface`
/// and what a save of ours has not finished. A link that leads out of the folder, nowhere or to a folder is by default
/// a ValueError, unless the folder is a snapshot in the cache and the link leads to one of its blobs.
[[nodiscard]] std::map<std::string, std::filesystem::path> files_to_upload(const std::filesystem::path& folder,
                                                                           const FilePatterns& patterns = {},
                                                                           OutsideLinks links = OutsideLinks::Refuse);

/// Uploads a folder in one commit. Throws ValueError when it has no files, or none that are chosen.
CommitInfo upload_folder(const std::filesystem::path& folder, const std::string& repo_id,
                         const UploadOptions& options = {}, const FolderOptions& choice = {});

/// Uploads one file.
CommitInfo upload_file(const std::filesystem::path& file, const std::string& path_in_repo, const std::string& repo_id,
                       const UploadOptions& options = {});

}  // namespace transformers
