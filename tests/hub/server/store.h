#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "tests/hub/server/hub_server.h"

namespace transformers::hub_tests {

using Files = std::map<std::string, StoredFile>;

/// A repository: commits and the branches that name them.
struct StoredRepo {
  Access access = Access::Public;
  std::map<std::string, std::string> branches = {};
  std::map<std::string, Files> commits = {};
  int pull_requests = 0;

  /// The commit of a branch or commit; nothing when there is none.
  [[nodiscard]] std::optional<std::string> resolve(const std::string& revision) const;
};

[[nodiscard]] StoredFile store_text(const std::string& name, std::string text);
[[nodiscard]] StoredFile store_file(const std::filesystem::path& file, const std::string& name);
/// A small file, whatever its name.
[[nodiscard]] StoredFile store_regular(std::string text);
[[nodiscard]] bool is_lfs_file(const std::string& name, int64_t size_bytes);
/// A commit on top of what the branch has; `salt` sets commits apart that change the same.
std::string add_commit(StoredRepo& repo, const std::string& branch, const Files& changed,
                       const std::vector<std::string>& removed = {}, const std::string& salt = {});

}  // namespace transformers::hub_tests
