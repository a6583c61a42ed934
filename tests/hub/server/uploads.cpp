#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "tests/hub/server/impl.h"
#include "transformers/base/strings.h"
#include "transformers/hub/hash.h"
#include "transformers/hub/names.h"

// The half of the test Hub that writes.
namespace transformers::hub_tests {

namespace {

int port_of(int descriptor, int (*which)(int, sockaddr*, socklen_t*)) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (which(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.sin_family != AF_INET) return -1;
  return ntohs(address.sin_port);
}

// Ends the connection that a request came by; httplib keeps it to itself.
void cut_connection(const httplib::Request& request, int server_port) {
  for (int descriptor = 3; descriptor < 4096; ++descriptor)
    if (port_of(descriptor, ::getpeername) == request.remote_port && port_of(descriptor, ::getsockname) == server_port)
      ::shutdown(descriptor, SHUT_RDWR);
}

std::string sha256(std::string_view bytes) {
  hub::Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

std::string from_base64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    group = group << 6 | static_cast<uint32_t>(digits.find(c));
    if ((bits += 6) < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(group >> bits & 255);
  }
  return bytes;
}

Json object(Json::Object fields) { return Json(std::move(fields)); }

bool names(std::string_view ignore_file, const std::string& path) {
  for (const auto& line : split(ignore_file, '\n'))
    if (!line.empty() && !line.starts_with('#') && hub::matches(path, line)) return true;
  return false;
}

}  // namespace

std::string HubServer::Impl::url_of(bool of_storage) const {
  return str(certificate.empty() ? "http" : "https", "://127.0.0.1:", of_storage ? storage_port : hub_port);
}

std::string HubServer::Impl::writer_of(const httplib::Request& request, bool may_propose) const {
  const auto user = user_of(request);
  if (user.empty()) throw Refusal{401, "", "Invalid username or password."};
  if (!may_propose && readers.contains(request.get_header_value("Authorization").substr(7)))
    throw Refusal{403, "", "Forbidden: pass a token with write access"};
  return user;
}

std::optional<StoredFile> HubServer::Impl::object_of(const std::string& oid) const {
  if (const auto found = objects.find(oid); found != objects.end()) return found->second;
  for (const auto& [id, repo] : repos)
    for (const auto& [commit, files] : repo.commits)
      for (const auto& [name, file] : files)
        if (!oid.empty() && file.sha256 == oid) return file;
  return std::nullopt;
}

std::string HubServer::Impl::read_body(const httplib::Request& request, const httplib::ContentReader& content,
                                       const std::optional<Fault>& fault) const {
  const bool ends = fault && (fault->kind == Fault::Kind::Cut || fault->kind == Fault::Kind::Stall);
  std::string body;
  const auto take = [&](const char* bytes, size_t count) {
    body.append(bytes, count);
    return !ends || static_cast<int64_t>(body.size()) < fault->number;
  };
  if (request.is_multipart_form_data()) throw Refusal{400, "", "no form is expected"};
  const bool is_empty =
      request.get_header_value<uint64_t>("Content-Length") == 0 && !request.has_header("Transfer-Encoding");
  if (!(ends && fault->number == 0) && !is_empty) (void)content(take);
  if (!ends) return body;
  for (int i = 0; fault->kind == Fault::Kind::Stall && i < 400 && !is_over; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  cut_connection(request, request.method == "PUT" ? storage_port : hub_port);
  throw Refusal{500, "", "cut"};
}

void HubServer::Impl::answer_write(const httplib::Request& request, httplib::Response& response,
                                   const httplib::ContentReader& content) {
  note(request, false);
  const auto fault = take_fault(request);
  const auto body = read_body(request, content, fault);
  if (fault && misbehave(*fault, request, response)) return;
  const auto parts = parts_of(request.target);
  std::string answer;
  {
    const std::lock_guard lock(mutex);
    answer = write_api(parts, request, body).dump();
  }
  if (fault && fault->kind == Fault::Kind::LostAnswer) cut_connection(request, hub_port);
  if (!fault || fault->kind != Fault::Kind::WrongLength) return response.set_content(answer, "application/json");
  response.set_content_provider(static_cast<size_t>(fault->number), "application/json",
                                [answer](size_t, size_t, httplib::DataSink& sink) {
                                  sink.write(answer.data(), answer.size());
                                  return false;
                                });
}

// What is put into the storage: whole objects and parts.
void HubServer::Impl::answer_stored(const httplib::Request& request, httplib::Response& response,
                                    const httplib::ContentReader& content) {
  note(request, true);
  const auto fault = take_fault(request);
  auto body = read_body(request, content, fault);
  if (fault && misbehave(*fault, request, response)) return;
  if (fault && fault->kind == Fault::Kind::WrongHash) body.front() = static_cast<char>(~body.front());
  const auto parts = parts_of(request.target);  // object/{oid}, part/{upload}/{number}
  if (parts.size() != (parts.front() == "object" ? 2 : 3)) throw Refusal{404, "", "no such address"};
  {
    const std::lock_guard lock(mutex);
    if (parts.front() == "object") {
      keep_object(parts.at(1), std::move(body));
    } else {
      const auto upload = uploads.find(parts.at(1));
      if (upload == uploads.end()) throw Refusal{404, "", "NoSuchUpload"};
      const auto number = std::stoll(parts.at(2));
      response.set_header("ETag", str("\"", sha256(body).substr(0, 32), "\""));
      upload->second.parts[number] = std::move(body);
    }
  }
  if (fault && fault->kind == Fault::Kind::LostAnswer) cut_connection(request, storage_port);
}

void HubServer::Impl::keep_object(const std::string& oid, std::string bytes) {
  if (sha256(bytes) != oid) throw Refusal{400, "", "the content is not the one of its hash"};
  objects[oid] = store_text("object.bin", std::move(bytes));
}

Json HubServer::Impl::write_api(const std::vector<std::string>& parts, const httplib::Request& request,
                                const std::string& body) {
  const auto json = [&] { return body.empty() ? Json::object() : Json::parse(body, "the request"); };
  if (parts[0] != "api") {  // {id}.git/info/lfs/objects/{batch | verify}
    if (parts.size() < 5) throw Refusal{404, "", "no such address"};
    const auto id = join(std::span(parts).first(parts.size() - 4), "/");
    if (!id.ends_with(".git")) throw Refusal{404, "", "no such address"};
    if (parts.back() == "verify") {
      (void)writer_of(request, true);
      if (!object_of(json().at("oid").as_string())) throw Refusal{404, "", "no such object"};
      return Json::object();
    }
    (void)writer_of(request, true);
    (void)repo_of(id.substr(0, id.size() - 4), request, false);
    return lfs_batch(id.substr(0, id.size() - 4), json());
  }
  if (parts.size() < 2) throw Refusal{404, "", "no such address"};
  if (parts.at(1) == "complete") return complete(request, json());
  if (parts.at(1) == "validate-yaml") return object({{"errors", Json::list()}, {"warnings", Json::list()}});
  if (parts.at(1) == "repos") {
    const auto user = writer_of(request, false);
    return request.method == "DELETE" ? delete_repo(user, json()) : create_repo(user, json());
  }
  const auto verb = std::find_if(parts.begin() + 2, parts.end(), [](const auto& part) {
    return part == "branch" || part == "preupload" || part == "commit";
  });
  if (parts.at(1) != "models" || verb == parts.end() || verb + 1 == parts.end())
    throw Refusal{404, "", "no such address"};
  const auto id = join(std::span(parts.begin() + 2, verb), "/");
  const auto revision = *(verb + 1);
  (void)repo_of(id, request, false);
  (void)writer_of(request, *verb != "branch" && request.has_param("create_pr"));
  if (*verb == "branch") return change_branch(id, revision, request);
  if (*verb == "commit") return commit(id, revision, request, body);
  return preupload(repos.at(id), revision, json());
}

Json HubServer::Impl::create_repo(const std::string& user, const Json& body) {
  const auto id = str(body.get("organization", user), "/", body.at("name").as_string());
  const auto url = str(url_of(false), "/", id);
  if (repos.contains(id)) throw Refusal{409, "", "You already created this model repo: " + id, url};
  auto& repo = repos[id];
  if (body.get("visibility", "") == "private" || body.get("private", false)) repo.access = Access::Private;
  (void)add_commit(repo, "main", {{".gitattributes", store_text(".gitattributes", "*.bin filter=lfs\n")}});
  return object({{"url", url}, {"name", id}, {"id", "000000000000000000000000"}});
}

Json HubServer::Impl::delete_repo(const std::string& user, const Json& body) {
  if (repos.erase(str(body.get("organization", user), "/", body.at("name").as_string())) == 0)
    throw Refusal{404, "RepoNotFound", "Repository not found"};
  return Json::object();
}

Json HubServer::Impl::change_branch(const std::string& id, const std::string& branch, const httplib::Request& request) {
  auto& branches = repos.at(id).branches;
  if (request.method == "DELETE") {
    if (branches.erase(branch) == 0) throw Refusal{404, "RevisionNotFound", "Invalid rev id: " + branch};
    return Json::object();
  }
  if (branches.contains(branch)) throw Refusal{409, "", "Reference already exists: " + branch};
  branches[branch] = branches.at("main");
  return Json::object();
}

Json HubServer::Impl::preupload(StoredRepo& repo, const std::string& revision, const Json& body) const {
  const auto head = repo.resolve(revision);
  if (!head) throw Refusal{404, "RevisionNotFound", "Invalid rev id: " + revision};
  const auto& files = repo.commits.at(*head);
  const auto ignore = files.find(".gitignore");
  Json answers = Json::list();
  for (const auto& file : body.at("files").as_array()) {
    const auto& path = file.at("path").as_string();
    if (!file.at("sample").is_string()) throw Refusal{400, "", "no sample of " + path};
    const bool is_lfs = is_lfs_file(path, file.at("size").as_int());
    Json answer = object({{"path", path}, {"uploadMode", is_lfs ? "lfs" : "regular"}});
    answer["shouldIgnore"] = ignore != files.end() && names(ignore->second.bytes, path);
    if (const auto found = files.find(path); found != files.end())
      answer["oid"] = found->second.is_lfs ? found->second.sha256 : found->second.git_id;
    answers.push_back(std::move(answer));
  }
  return object({{"files", std::move(answers)}, {"commitOid", *head}});
}

Json HubServer::Impl::lfs_batch(const std::string& id, const Json& body) {
  Json answers = Json::list();
  for (const auto& wanted : body.at("objects").as_array()) {
    const auto& oid = wanted.at("oid").as_string();
    const auto size = wanted.at("size").as_int();
    Json answer = object({{"oid", oid}, {"size", size}});
    if (!object_of(oid)) {
      Json header = Json::object();
      auto href = str(url_of(true), "/object/", oid, "?signature=secret");
      Json actions = Json::object();
      if (size > part_bytes) {
        const auto upload = str("upload", uploads.size() + seen.size());
        uploads[upload] = {.oid = oid, .size_bytes = size, .part_bytes = part_bytes};
        header["chunk_size"] = str(part_bytes);
        for (int64_t part = 1; (part - 1) * part_bytes < size; ++part)
          header[str("0000", part)] = str(url_of(true), "/part/", upload, "/", part, "?signature=secret");
        href = str(url_of(false), "/api/complete?upload=", upload);
      } else {
        actions["verify"] = object({{"href", str(url_of(false), "/", id, ".git/info/lfs/objects/verify")}});
      }
      actions["upload"] = object({{"href", href}, {"header", std::move(header)}});
      answer["actions"] = std::move(actions);
    }
    answers.push_back(std::move(answer));
  }
  return object({{"transfer", "multipart"}, {"objects", std::move(answers)}});
}

Json HubServer::Impl::complete(const httplib::Request& request, const Json& body) {
  const auto found = uploads.find(request.get_param_value("upload"));
  if (found == uploads.end()) throw Refusal{404, "", "NoSuchUpload"};
  const auto& upload = found->second;
  std::string bytes;
  for (const auto& part : body.at("parts").as_array()) {
    const auto stored = upload.parts.find(part.at("partNumber").as_int());
    if (stored == upload.parts.end()) throw Refusal{400, "", "InvalidPart"};
    if (trim(part.at("etag").as_string()) != str("\"", sha256(stored->second).substr(0, 32), "\""))
      throw Refusal{400, "", "InvalidPart: wrong ETag"};
    bytes += stored->second;
  }
  keep_object(upload.oid, std::move(bytes));
  uploads.erase(found);
  return Json::object();
}

// One line of a commit after its head.
void HubServer::Impl::take_operation(const Files& files, const Json& line, Change& change) const {
  const auto& key = line.at("key").as_string();
  const auto& value = line.at("value");
  const auto& path = value.at("path").as_string();
  if (key == "file") {
    change.files[path] = store_regular(from_base64(value.at("content").as_string()));
  } else if (key == "lfsFile") {
    const auto found = object_of(value.at("oid").as_string());
    if (!found) throw Refusal{400, "", "LFS pointer pointed to a file that does not exist: " + path};
    change.files[path] = *found;
  } else if (key == "deletedFile" || key == "deletedFolder") {
    const auto before = change.removed.size();
    for (const auto& [name, file] : files)
      if (name == path || (key == "deletedFolder" && name.starts_with(path + "/"))) change.removed.push_back(name);
    if (change.removed.size() == before)
      throw Refusal{404, "EntryNotFound", "A file with this name doesn't exist: " + path};
  } else {
    throw Refusal{400, "", "an unknown operation: " + key};
  }
}

Json HubServer::Impl::commit(const std::string& id, const std::string& revision, const httplib::Request& request,
                             const std::string& lines) {
  auto& repo = repos.at(id);
  const auto head = repo.resolve(revision);
  if (!head || !repo.branches.contains(revision)) throw Refusal{404, "RevisionNotFound", "Invalid rev id: " + revision};
  SeenCommit seen_commit{.repo = id, .branch = revision};
  Change change;
  for (const auto& text : split(lines, '\n')) {
    if (text.empty()) continue;
    const auto line = Json::parse(text, "a line of the commit");
    const auto& value = line.at("value");
    if (line.at("key").as_string() != "header") {
      take_operation(repo.commits.at(*head), line, change);
      seen_commit.files.push_back(value.at("path").as_string());
      continue;
    }
    seen_commit.summary = value.at("summary").as_string();
    seen_commit.description = value.get("description", "");
    seen_commit.parent = value.get("parentCommit", "");
    if (!seen_commit.parent.empty() && seen_commit.parent != *head)
      throw Refusal{412, "", "A commit has happened since. Please refresh and try again."};
  }
  Json answer = object({{"success", true}, {"hookOutput", ""}});
  if (request.has_param("create_pr")) {
    const auto number = ++repo.pull_requests;
    seen_commit.branch = str("refs/pr/", number);
    repo.branches[seen_commit.branch] = *head;
    answer["pullRequestUrl"] = str(url_of(false), "/", id, "/discussions/", number);
  }
  seen_commit.commit =
      add_commit(repo, seen_commit.branch, change.files, change.removed, str(commits.size(), seen_commit.summary));
  answer["commitOid"] = seen_commit.commit;
  answer["commitUrl"] = str(url_of(false), "/", id, "/commit/", seen_commit.commit);
  commits.push_back(std::move(seen_commit));
  return answer;
}

}  // namespace transformers::hub_tests
