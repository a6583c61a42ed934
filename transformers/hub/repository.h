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

#include "transformers/hub/cache.h"
#include "transformers/hub/http.h"
#include "transformers/hub/options.h"

namespace transformers::hub {

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
  /// Every file of the commit, or of its subfolder, as `find` and `fetch` call it. Throws LocalEntryNotFoundError
  /// without the Hub and a cached listing.
  [[nodiscard]] std::vector<std::string> list();
  /// The same, and nothing when the listing would take many requests or is not to be had.
  [[nodiscard]] std::vector<std::string> list_if_short();
  /// Why the Hub cannot be asked; empty when it can.
  [[nodiscard]] const std::string& disconnected() const { return disconnected_; }

 private:
  void settle_commit();
  [[nodiscard]] std::string ask_for_commit(int retries);
  void fall_back(const HubError& error);
  [[nodiscard]] HttpClient& client();
  [[nodiscard]] std::string full_name(std::string_view file) const;
  [[nodiscard]] std::optional<FileInfo> look_up(std::string_view file);
  [[nodiscard]] const FileTree* tree(int most_pages);
  [[nodiscard]] std::vector<std::string> names_of(const FileTree& files) const;
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

}  // namespace transformers::hub
