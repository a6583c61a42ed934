#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "transformers/hub/repository.h"

namespace transformers {

/// The local path of one file of a folder or of a Hub repository, fetched into the cache if need be; nothing when there
/// is no such file. Throws HubError and its kinds, OSError, ValueError.
[[nodiscard]] std::optional<std::filesystem::path> cached_file(const std::string& path_or_repo_id,
                                                               const std::string& filename,
                                                               const DownloadOptions& options = {});

/// Whether a folder or a Hub repository has a file; nothing is fetched. False without a connection unless the file is
/// cached. Throws for a repository or revision that does not exist.
[[nodiscard]] bool has_file(const std::string& path_or_repo_id, const std::string& filename,
                            const DownloadOptions& options = {});

/// Which files of a repository are wanted, by Python's fnmatch patterns (`*.json`, `onnx/*`); `folder/` means all of
/// it.
struct FilePatterns {
  std::vector<std::string> allow = {};  // empty: all
  std::vector<std::string> ignore = {};

  [[nodiscard]] bool wants(const std::string& name) const;
};

/// Fetches the files of one commit and gives its snapshot folder. Offline, what the cache has is taken; a listing that
/// is cached tells whether something is missing (LocalEntryNotFoundError).
[[nodiscard]] std::filesystem::path snapshot_download(const std::string& repo_id, const FilePatterns& patterns = {},
                                                      const DownloadOptions& options = {});

}  // namespace transformers
