#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "transformers/hub/cache.h"
#include "transformers/hub/http.h"

// The requests of the Hub that reading needs.
namespace transformers::hub {

/// What a request was about, for messages.
struct Subject {
  std::string_view repo = {}, revision = {}, file = {};
};

/// Nothing for a 2xx answer. Else throws what the answer says: RepositoryNotFoundError, GatedRepoError,
/// RevisionNotFoundError, EntryNotFoundError, HubError.
void throw_for_status(const Response& response, const Subject& subject);

/// What a HEAD says of a file; `info` is empty when the commit has no such file.
struct FileHead {
  std::string commit = {};
  std::optional<FileInfo> info = {};
};

/// One model repository of the Hub. The client is the caller's.
class HubApi {
 public:
  HubApi(HttpClient& client, std::string repo);

  [[nodiscard]] std::string file_url(std::string_view revision, std::string_view file) const;
  /// `retries` as in Request. Throws as `throw_for_status` does, but for an absent file; ConnectionError.
  [[nodiscard]] FileHead head(std::string_view revision, std::string_view file, int retries) const;
  /// The commit of a revision.
  [[nodiscard]] std::string commit(std::string_view revision, int retries) const;
  /// Every file of a commit; nothing when it has more than `most_pages` of them (a thousand files each).
  [[nodiscard]] std::optional<FileTree> tree(std::string_view commit, int most_pages) const;

 private:
  [[nodiscard]] std::string api_url(std::string_view what, std::string_view revision) const;

  HttpClient& client_;
  std::string repo_;
};

/// The name that the Hub knows a token by. Throws HubError when it knows it not.
[[nodiscard]] std::string account_name(HttpClient& client);

}  // namespace transformers::hub
