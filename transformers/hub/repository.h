#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/hub/environment.h"
#include "transformers/hub/http.h"
#include "transformers/hub/lock.h"
#include "transformers/hub/transfer.h"

namespace transformers {

/// The download arguments of the reference. What is not said comes from the environment.
struct DownloadOptions {
  std::string revision = "main";  // branch, tag, commit, or a pull request's ref such as refs/pr/1
  std::string subfolder = {};     // of the repository
  std::optional<std::filesystem::path> cache_dir = {};
  bool force_download = false;
  bool local_files_only = false;
  std::optional<TokenArg> token = {};
  std::map<std::string, std::string> proxies = {};  // by "http", "https", "all" or "http://host"
  hub::RetryPolicy retry = {};
  hub::TransferTuning tuning = {};
  hub::LockPolicy lock = {};
};

namespace hub {

/// A model repository at one commit: its files in the cache, and those that are fetched into it when they are asked
/// for. The commit is settled when the object is made, by one request; none when the revision is a commit, when only
/// local files are wanted, or offline. Without an answer the commit that the cache knows is used. Not thread-safe.
class Repository {
 public:
  /// Throws RepositoryNotFoundError, GatedRepoError, RevisionNotFoundError; LocalEntryNotFoundError when neither the
  /// Hub nor the cache knows the revision; ValueError for names that are none.
  Repository(std::string repo_id, DownloadOptions options);
  ~Repository();
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  [[nodiscard]] const std::string& commit() const { return commit_; }
  /// The snapshot's folder, with the subfolder; it may not be there yet.
  [[nodiscard]] std::filesystem::path folder() const;
  /// What the commit has under this name (inside the subfolder); nothing when it has no such file. `size_bytes` is the
  /// local size where the file is cached. Throws LocalEntryNotFoundError when that cannot be known without the Hub.
  [[nodiscard]] std::optional<FileInfo> find(std::string_view file);
  /// The local file, fetched now if need be. Throws EntryNotFoundError, LocalEntryNotFoundError, HubError, OSError.
  std::filesystem::path fetch(std::string_view file);
  [[nodiscard]] std::optional<std::filesystem::path> cached(std::string_view file) const;
  /// Every file of the commit, with its path from the repository's root. Throws LocalEntryNotFoundError without the Hub
  /// and a cached listing.
  [[nodiscard]] std::vector<std::string> list();

 private:
  void settle_commit();
  [[nodiscard]] std::string ask_for_commit(int retries);
  void fall_back(const HubError& error);
  [[nodiscard]] HttpClient& client();
  [[nodiscard]] std::string full_name(std::string_view file) const;
  [[nodiscard]] const FileTree* tree(int most_pages);
  void fetch_into_cache(const std::string& name, const FileInfo& info);
  [[noreturn]] void not_here(std::string_view what) const;

  std::string repo_;
  DownloadOptions options_;
  RepoCache cache_;
  std::string commit_, disconnected_;  // why the Hub cannot be asked; empty when it can
  std::exception_ptr refusal_;         // what the Hub said instead, when it did answer
  std::unique_ptr<HttpClient> client_;
  std::map<std::string, FileInfo, std::less<>> heads_;
  std::optional<FileTree> tree_;
  bool is_tree_tried_ = false;
  std::set<std::string> forced_;  // what force_download has fetched anew
};

}  // namespace hub

}  // namespace transformers
