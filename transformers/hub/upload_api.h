#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/hub/http.h"

// The requests of the Hub that writing needs.
namespace transformers::hub {

/// A file that is about to be uploaded, and what the Hub says to it.
struct UploadQuestion {
  std::string path = {};
  int64_t size_bytes = 0;
  std::string sample = {};  // its first bytes
};
struct UploadAnswer {
  bool is_lfs = false;
  bool is_ignored = false;  // by the repository's .gitignore
  std::string oid = {};     // of the file that is there: SHA-256 of an LFS object, else git's hash; empty: none
};

/// An object of the LFS storage by its content.
struct LfsObject {
  std::string oid = {};  // SHA-256
  int64_t size_bytes = 0;
};
/// Where an object goes. Of several parts: each to its own address, then `url` is told their tags.
struct LfsAction {
  std::string oid = {};
  bool is_there = false;  // nothing to send
  std::string url = {};
  Headers headers = {};
  int64_t part_bytes = 0;  // 0: in one piece to `url`
  std::vector<std::string> part_urls = {};
  std::string verify_url = {};  // told when all is sent; empty: nobody
  Headers verify_headers = {};
};

/// One line of a commit besides its head, as the Hub takes it: {"key": …, "value": …}.
struct CommitRequest {
  std::string revision = {}, summary = {}, description = {}, parent_commit = {};
  bool create_pr = false;
  std::string lines = {};
};
struct CommitAnswer {
  std::string commit = {}, commit_url = {}, pull_request_url = {};
};

/// One model repository that is written to. Every method throws HubError (the token may not write, a wrong answer),
/// RepositoryNotFoundError, RevisionNotFoundError, ConnectionError.
class UploadApi {
 public:
  /// `repo` with its namespace.
  UploadApi(HttpClient& client, std::string repo);

  [[nodiscard]] const std::string& repo() const { return repo_; }
  [[nodiscard]] HttpClient& client() const { return client_; }
  /// One that exists is left as it is, its visibility too.
  void create_repo(std::optional<bool> is_private) const;
  /// From the head of the main branch; one that exists is left as it is.
  void create_branch(std::string_view branch) const;
  [[nodiscard]] std::vector<UploadAnswer> preupload(std::span<const UploadQuestion> files, std::string_view revision,
                                                    bool create_pr) const;
  /// In the order of `objects`.
  [[nodiscard]] std::vector<LfsAction> lfs_batch(std::span<const LfsObject> objects, std::string_view revision) const;
  /// Not tried again where it may have been made: that is for the caller to find out.
  [[nodiscard]] CommitAnswer commit(const CommitRequest& request) const;

 private:
  struct Post;
  [[nodiscard]] Response post(const Post& what) const;
  [[nodiscard]] std::string api_url(std::string_view what, std::string_view revision) const;
  [[nodiscard]] std::string checked_url(const std::string& url) const;
  void read_header(LfsAction& action, const Json::Object& header, const LfsObject& object) const;
  [[nodiscard]] LfsAction action_of(const Json& answer, const LfsObject& object) const;

  HttpClient& client_;
  std::string repo_;
};

}  // namespace transformers::hub
