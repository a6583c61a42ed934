#include "transformers/hub/api.h"

#include "transformers/base/json.h"
#include "transformers/base/strings.h"
#include "transformers/hub/names.h"
#include "transformers/hub/url.h"

namespace transformers::hub {

namespace {

constexpr int64_t kAnswerTimeout = 60;  // for the few bytes of an answer that is no file

std::string about(const Subject& subject) {
  std::string text(subject.repo);
  if (!subject.file.empty()) text += str(text.empty() ? "" : ": ", quote(subject.file));
  if (!subject.revision.empty()) text += str(" at revision ", quote(subject.revision));
  return text;
}

// <https://…?cursor=x>; rel="next"
std::optional<std::string> next_page(const Response& response) {
  const auto link = response.headers.find("Link");
  if (!link) return std::nullopt;
  for (const auto& part : split(*link, ',')) {
    const auto begin = part.find('<'), end = part.find('>');
    if (begin == std::string::npos || end == std::string::npos || end < begin) continue;
    if (part.find("rel=\"next\"", end) != std::string::npos) return part.substr(begin + 1, end - begin - 1);
  }
  return std::nullopt;
}

void add_entry(FileTree& tree, const Json& entry) {
  if (entry.get("type", "file") != "file") return;
  const auto& name = entry.at("path").as_string();
  check_file_name(name);
  FileInfo info{.size_bytes = entry.at("size").as_int(), .blob = blob_name(entry.at("oid").as_string())};
  info.git_id = info.blob;
  info.xet_hash = entry.get("xetHash", "");
  if (const auto* lfs = entry.find("lfs"); lfs && lfs->is_object()) {
    info.blob = blob_name(lfs->at("oid").as_string());
    info.size_bytes = lfs->at("size").as_int();
  }
  if (info.size_bytes < 0) throw HubError(str(quote(name), " has a size below zero"));
  tree.insert_or_assign(name, std::move(info));
}

[[noreturn]] void no_hub(const Response& response, std::string_view lack) {
  throw HubError(str(display_url(response.url), ": the answer has no ", lack,
                     ", so no Hub sent it; check HF_ENDPOINT, "
                     "the proxy and the firewall"),
                 response.status);
}

}  // namespace

void throw_for_status(const Response& response, const Subject& subject) {
  const int status = response.status;
  if (status >= 200 && status < 300) return;
  const auto code = response.headers.find("X-Error-Code").value_or("");
  const auto message = response.headers.find("X-Error-Message").value_or("");
  const auto what = about(subject);
  const auto said = message.empty() ? std::string() : str("; the Hub says ", quote(message, 300));
  if (code == "RevisionNotFound")
    throw RevisionNotFoundError(str(subject.repo, ": has no revision ", quote(subject.revision)), status);
  if (code == "EntryNotFound") throw EntryNotFoundError(str(what, ": the repository has no such file"), status);
  if (code == "GatedRepo")
    throw GatedRepoError(str(what, ": access to this repository must be asked for; visit ",
                             display_url(response.url).substr(0, display_url(response.url).find("/resolve/")),
                             " while logged in, then name your token or run `transformers-cpp login`", said),
                         status);
  if (code == "RepoNotFound" || status == 401)
    throw RepositoryNotFoundError(str(what,
                                      ": no folder of this name, and the Hub knows no such repository or does not "
                                      "show it to you; check the name and, for a private one, the token",
                                      said),
                                  status);
  if (status == 404 && !subject.file.empty())
    throw EntryNotFoundError(str(what, ": the server has no such file"), status);
  if (status == 404) throw RepositoryNotFoundError(str(what, ": the server knows no such repository", said), status);
  if (status == 403) throw HubError(str(what, ": the token does not give access to this", said), status);
  throw HubError(str(what.empty() ? display_url(response.url) : what, ": the server answered ", status, said), status);
}

HubApi::HubApi(HttpClient& client, std::string repo) : client_(client), repo_(std::move(repo)) { check_repo_id(repo_); }

std::string HubApi::file_url(std::string_view revision, std::string_view file) const {
  return str(client_.options().endpoint, "/", repo_, "/resolve/", percent_encode(revision), "/",
             percent_encode(file, "/"));
}

std::string HubApi::api_url(std::string_view what, std::string_view revision) const {
  return str(client_.options().endpoint, "/api/models/", repo_, "/", what, "/", percent_encode(revision));
}

FileHead HubApi::head(std::string_view revision, std::string_view file, int retries) const {
  Request request{.method = "HEAD", .url = file_url(revision, file), .redirects = Redirects::StayHome};
  request.headers.add("Accept-Encoding", "identity");  // packed, the length would be another
  request.timeout_s = kAnswerTimeout;
  request.retries = retries;
  const auto response = client_.send(request);
  FileHead head{.commit = response.headers.find("X-Repo-Commit").value_or("")};
  if (!head.commit.empty() && !is_commit(head.commit))
    throw HubError(str(repo_, ": the server names the commit ", quote(head.commit), ", which is none"));
  if (response.location.empty()) {
    try {
      throw_for_status(response, {repo_, revision, file});
    } catch (const EntryNotFoundError&) {
      return head;
    }
  }
  if (head.commit.empty()) no_hub(response, "X-Repo-Commit");
  auto etag = response.headers.find("X-Linked-Etag");
  if (!etag) etag = response.headers.find("ETag");
  if (!etag) no_hub(response, "ETag");
  FileInfo info{.blob = blob_name(*etag), .location = response.location};
  auto size = response.headers.number("X-Linked-Size");
  if (!size && response.location.empty()) size = response.headers.number("Content-Length");
  info.size_bytes = size.value_or(-1);
  head.info = std::move(info);
  return head;
}

std::string HubApi::commit(std::string_view revision, int retries) const {
  const Request request{.url = api_url("revision", revision), .timeout_s = kAnswerTimeout, .retries = retries};
  const auto response = client_.send(request);
  throw_for_status(response, {.repo = repo_, .revision = revision});
  const auto commit = Json::parse(response.body, display_url(response.url)).get("sha", "");
  if (!is_commit(commit)) no_hub(response, "commit");
  return commit;
}

std::optional<FileTree> HubApi::tree(std::string_view commit, int most_pages) const {
  FileTree tree;
  const auto first = parse_url(api_url("tree", commit) + "?recursive=true&expand=false");
  auto page = first;
  for (int count = 0; count < most_pages; ++count) {
    const auto response = client_.send({.url = page.text(), .timeout_s = kAnswerTimeout});
    throw_for_status(response, {.repo = repo_, .revision = commit});
    const auto json = Json::parse(response.body, display_url(response.url));
    try {
      for (const auto& entry : json.as_array()) add_entry(tree, entry);
    } catch (const Error& error) {
      throw HubError(str(repo_, ": the listing of the Hub cannot be read: ", error.what()));
    }
    const auto next = next_page(response);
    if (!next) return tree;
    const auto url = follow(page, *next);
    if (url.origin() != first.origin()) throw HubError(str(repo_, ": the Hub's listing leads to another host"));
    page = url;
  }
  return std::nullopt;
}

std::string account_name(HttpClient& client) {
  const auto response =
      client.send({.url = str(client.options().endpoint, "/api/whoami-v2"), .timeout_s = kAnswerTimeout});
  if (response.status == 401 || response.status == 403)
    throw HubError("the Hub does not know this token; it may have been revoked: make a new one", response.status);
  throw_for_status(response, {});
  return Json::parse(response.body, "the Hub's answer").at("name").as_string();
}

}  // namespace transformers::hub
