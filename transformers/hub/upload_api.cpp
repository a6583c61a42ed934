#include "transformers/hub/upload_api.h"

#include <algorithm>
#include <charconv>

#include "transformers/base/strings.h"
#include "transformers/hub/api.h"
#include "transformers/hub/detail/upload_file.h"
#include "transformers/hub/names.h"
#include "transformers/hub/url.h"

namespace transformers::hub {

namespace {

constexpr std::string_view kJson = "application/json", kLfs = "application/vnd.git-lfs+json";
constexpr int64_t kAnswerTimeout = 60;
constexpr int64_t kCommitTimeout = 600;  // a commit of thousands of files takes the Hub minutes
constexpr int64_t kMostParts = 10'000;   // of S3

// What a token that may not write hears. A reader would be told that there is no such repository.
void throw_for_write(const Response& response, const Subject& subject) {
  const int status = response.status;
  const auto message = response.headers.find("X-Error-Message").value_or("");
  const auto said = message.empty() ? std::string() : str("; the Hub says ", quote(message, 300));
  if (status == 401)
    throw HubError(str(subject.repo,
                       ": the Hub takes no upload without a token that it knows; name one or run "
                       "`transformers-cpp login`",
                       said),
                   status);
  if (status == 403)
    throw HubError(str(subject.repo,
                       ": the token may not write there; make one with write access in the settings of "
                       "your account",
                       said),
                   status);
  if (status == 412)
    throw HubError(str(subject.repo, ": revision ", quote(subject.revision),
                       " has moved since the parent commit that was named", said),
                   status);
  throw_for_status(response, subject);
}

template <class Work>
auto reading(std::string_view repo, std::string_view what, const Work& work) {
  try {
    return work();
  } catch (const HubError&) {
    throw;
  } catch (const Error& error) {
    throw HubError(str(repo, ": the Hub's answer to ", what, " cannot be read: ", error.what()));
  }
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// A header that an answer asks for becomes a line of a request of ours: one line, and nothing that HTTP itself sets.
void add_header(Headers& headers, const std::string& name, const Json& value) {
  constexpr std::string_view ours[] = {"host", "content-length", "transfer-encoding", "connection", "expect"};
  const auto is_token = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_'; };
  const auto is_text = [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 127; };
  if (!value.is_string() || name.empty() || !std::all_of(name.begin(), name.end(), is_token)) return;
  const auto& text = value.as_string();
  if (!std::all_of(text.begin(), text.end(), is_text)) return;
  if (std::find(std::begin(ours), std::end(ours), to_lower_ascii(name)) == std::end(ours)) headers.add(name, text);
}

}  // namespace

struct UploadApi::Post {
  std::string url = {};
  std::string body = {};
  Subject subject = {};
  std::string_view type = kJson;
  int64_t timeout_s = kAnswerTimeout;
  bool is_repeatable = true;
  std::vector<int> accepted = {};  // statuses besides 2xx
};

UploadApi::UploadApi(HttpClient& client, std::string repo) : client_(client), repo_(std::move(repo)) {
  check_repo_id(repo_);
}

std::string UploadApi::api_url(std::string_view what, std::string_view revision) const {
  return str(client_.options().endpoint, "/api/models/", repo_, "/", what, "/", percent_encode(revision));
}

Response UploadApi::post(const Post& what) const {
  Request request{.method = "POST", .url = what.url, .body = what.body};
  request.headers.add("Content-Type", std::string(what.type));
  if (what.type == kLfs) request.headers.add("Accept", std::string(kLfs));
  request.timeout_s = request.stall_timeout_s = what.timeout_s;
  request.is_repeatable = what.is_repeatable;
  auto response = client_.send(request);
  if (std::find(what.accepted.begin(), what.accepted.end(), response.status) == what.accepted.end())
    throw_for_write(response, what.subject);
  return response;
}

void UploadApi::create_repo(std::optional<bool> is_private) const {
  const auto slash = repo_.find('/');
  Json body = Json::object();
  body["name"] = repo_.substr(slash == std::string::npos ? 0 : slash + 1);
  body["organization"] = slash == std::string::npos ? Json() : Json(repo_.substr(0, slash));
  body["type"] = "model";
  if (is_private) body["visibility"] = *is_private ? "private" : "public";
  // A token for this repository alone may write to it and create none.
  const auto response = post({.url = str(client_.options().endpoint, "/api/repos/create"),
                              .body = body.dump(),
                              .subject = {.repo = repo_},
                              .accepted = {409, 401, 402, 403}});
  if (response.status < 400 || response.status == 409) return;
  const auto info =
      client_.send({.url = str(client_.options().endpoint, "/api/models/", repo_), .timeout_s = kAnswerTimeout});
  if (info.status != 200) throw_for_write(response, {.repo = repo_});
}

void UploadApi::create_branch(std::string_view branch) const {
  (void)post({.url = api_url("branch", branch),
              .body = "{}",
              .subject = {.repo = repo_, .revision = branch},
              .accepted = {409}});
}

std::vector<UploadAnswer> UploadApi::preupload(std::span<const UploadQuestion> files, std::string_view revision,
                                               bool create_pr) const {
  Json list = Json::list();
  for (const auto& file : files)
    list.push_back(
        Json(Json::Object{{"path", file.path}, {"size", file.size_bytes}, {"sample", detail::base64(file.sample)}}));
  const auto response = post({.url = api_url("preupload", revision) + (create_pr ? "?create_pr=1" : ""),
                              .body = Json(Json::Object{{"files", std::move(list)}}).dump(),
                              .subject = {.repo = repo_, .revision = revision}});
  return reading(repo_, "a list of files", [&] {
    std::vector<UploadAnswer> answers;
    const auto json = Json::parse(response.body, "preupload");
    for (const auto& file : files) {
      const auto& entries = json.at("files").as_array();
      const auto entry = std::find_if(entries.begin(), entries.end(),
                                      [&](const Json& candidate) { return candidate.get("path", "") == file.path; });
      if (entry == entries.end()) throw HubError(str(repo_, ": the Hub does not say how ", quote(file.path), " goes"));
      const auto& mode = entry->at("uploadMode").as_string();
      if (mode != "lfs" && mode != "regular")
        throw HubError(str(repo_, ": the Hub wants ", quote(file.path), " in the way ", quote(mode),
                           ", which is not known here; a newer version may know it"));
      answers.push_back({.is_lfs = mode == "lfs" && file.size_bytes > 0,  // the storage takes no empty object
                         .is_ignored = entry->get("shouldIgnore", false),
                         .oid = entry->get("oid", "")});
    }
    return answers;
  });
}

std::vector<LfsAction> UploadApi::lfs_batch(std::span<const LfsObject> objects, std::string_view revision) const {
  Json list = Json::list();
  for (const auto& object : objects)
    list.push_back(Json(Json::Object{{"oid", object.oid}, {"size", object.size_bytes}}));
  const Json body(Json::Object{{"operation", "upload"},
                               {"transfers", Json(Json::Array{"basic", "multipart"})},
                               {"objects", std::move(list)},
                               {"ref", Json(Json::Object{{"name", std::string(revision)}})},
                               {"hash_algo", "sha256"}});
  const auto response = post({.url = str(client_.options().endpoint, "/", repo_, ".git/info/lfs/objects/batch"),
                              .body = body.dump(),
                              .subject = {.repo = repo_, .revision = revision},
                              .type = kLfs});
  return reading(repo_, "a list of large files", [&] {
    std::vector<LfsAction> actions;
    const auto json = Json::parse(response.body, "lfs/objects/batch");
    const auto& entries = json.at("objects").as_array();
    for (const auto& object : objects) {
      const auto entry = std::find_if(entries.begin(), entries.end(),
                                      [&](const Json& candidate) { return candidate.get("oid", "") == object.oid; });
      if (entry == entries.end()) throw HubError(str(repo_, ": the Hub does not say where ", object.oid, " goes"));
      actions.push_back(action_of(*entry, object));
    }
    return actions;
  });
}

LfsAction UploadApi::action_of(const Json& answer, const LfsObject& object) const {
  LfsAction action{.oid = object.oid};
  if (const auto* error = answer.find("error"))
    throw HubError(str(repo_, ": the storage refuses ", object.oid, ": ", quote(error->get("message", ""), 300)));
  const auto* actions = answer.find("actions");
  const auto* upload = actions && actions->is_object() ? actions->find("upload") : nullptr;
  action.is_there = upload == nullptr;
  if (action.is_there) return action;
  action.url = checked_url(upload->at("href").as_string());
  if (const auto* header = upload->find("header"); header && header->is_object())
    read_header(action, header->as_object(), object);
  if (const auto* verify = actions->find("verify"); verify && verify->is_object()) {
    action.verify_url = checked_url(verify->at("href").as_string());
    if (const auto* header = verify->find("header"); header && header->is_object())
      for (const auto& [name, value] : header->as_object()) add_header(action.verify_headers, name, value);
  }
  return action;
}

// Header lines, and among them the size of a part ("chunk_size") and the addresses of the parts ("1", "2" …).
void UploadApi::read_header(LfsAction& action, const Json::Object& header, const LfsObject& object) const {
  std::vector<std::pair<int64_t, std::string>> parts;
  for (const auto& [name, value] : header) {
    const auto part = number(name);
    if (name == "chunk_size")
      action.part_bytes = value.is_int() ? value.as_int() : number(value.as_string()).value_or(-1);
    else if (part)
      parts.emplace_back(*part, checked_url(value.as_string()));
    else
      add_header(action.headers, name, value);
  }
  if (action.part_bytes == 0) return;
  std::sort(parts.begin(), parts.end());
  const auto count = action.part_bytes < 0 ? 0 : (object.size_bytes - 1) / action.part_bytes + 1;
  bool is_whole = count > 0 && count <= kMostParts && static_cast<int64_t>(parts.size()) == count;
  for (size_t i = 0; is_whole && i < parts.size(); ++i) is_whole = parts[i].first == static_cast<int64_t>(i) + 1;
  if (!is_whole)
    throw HubError(str(repo_, ": the storage names ", parts.size(), " parts of ", action.part_bytes,
                       " bytes for an object of ", object.size_bytes));
  for (auto& part : parts) action.part_urls.push_back(std::move(part.second));
}

// A mirror may pass on the Hub's own addresses; it is asked instead, as it was meant to be.
std::string UploadApi::checked_url(const std::string& url) const {
  constexpr std::string_view hub = "https://huggingface.co/";
  const auto& endpoint = client_.options().endpoint;
  const auto text = url.starts_with(hub) ? str(endpoint, "/", url.substr(hub.size())) : url;
  const auto parsed = parse_url(text);
  if (parsed.scheme == "http" && parse_url(endpoint).scheme == "https")
    throw HubError(
        str(repo_, ": the Hub sends the upload from https to http (", display_url(text), "), which is refused"));
  return text;
}

CommitAnswer UploadApi::commit(const CommitRequest& request) const {
  Json head(Json::Object{{"summary", request.summary}, {"description", request.description}});
  if (!request.parent_commit.empty()) head["parentCommit"] = request.parent_commit;
  const Json first(Json::Object{{"key", "header"}, {"value", std::move(head)}});
  const auto response = post({.url = api_url("commit", request.revision) + (request.create_pr ? "?create_pr=1" : ""),
                              .body = str(first.dump(), "\n", request.lines),
                              .subject = {.repo = repo_, .revision = request.revision},
                              .type = "application/x-ndjson",
                              .timeout_s = kCommitTimeout,
                              .is_repeatable = false});
  return reading(repo_, "the commit", [&] {
    const auto json = Json::parse(response.body, "commit");
    CommitAnswer answer{.commit = json.at("commitOid").as_string(), .commit_url = json.at("commitUrl").as_string()};
    if (!is_commit(answer.commit)) throw HubError(str(repo_, ": the Hub names the commit ", quote(answer.commit)));
    (void)parse_url(answer.commit_url);
    if (request.create_pr) {
      answer.pull_request_url = json.at("pullRequestUrl").as_string();
      (void)parse_url(answer.pull_request_url);
    }
    return answer;
  });
}

}  // namespace transformers::hub
