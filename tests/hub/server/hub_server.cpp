#include <unistd.h>

#include "tests/hub/server/impl.h"
#include "tests/hub/server/tls.h"
#include "transformers/base/strings.h"

namespace transformers::hub_tests {

namespace {

constexpr size_t kThreads = 32;

Json describe(const std::string& name, const StoredFile& file) {
  Json entry = Json::object();
  entry["type"] = "file";
  entry["oid"] = file.git_id;
  entry["size"] = static_cast<int64_t>(file.bytes.size());
  entry["path"] = name;
  if (file.is_lfs)
    entry["lfs"] = Json(
        Json::Object{{"oid", file.sha256}, {"size", static_cast<int64_t>(file.bytes.size())}, {"pointerSize", 134}});
  return entry;
}

}  // namespace

std::string decoded(std::string_view text) { return httplib::detail::decode_url(std::string(text), false); }

std::vector<std::string> parts_of(const std::string& target) {
  std::vector<std::string> parts;
  for (const auto& part : split(target.substr(1, target.find('?') - 1), '/')) parts.push_back(decoded(part));
  return parts;
}

std::string joined(const std::vector<std::string>& parts, size_t from) {
  return join(std::span(parts).subspan(std::min(from, parts.size())), "/");
}

HubServer::Impl::Impl(const ServerOptions& options) {
  std::optional<TlsIdentity> identity;
  if (options.is_tls) certificate = identity.emplace(make_identity()).certificate;
  hub = make_server(identity);
  storage = make_server(identity);
  const auto guarded = [](httplib::Response& response, const auto& work) {
    try {
      work();
    } catch (const Refusal& refusal) {
      response.status = refusal.status;
      if (!refusal.code.empty()) response.set_header("X-Error-Code", refusal.code);
      response.set_header("X-Error-Message", refusal.message);
      Json body(Json::Object{{"error", refusal.message}});
      if (!refusal.url.empty()) body["url"] = refusal.url;
      response.set_content(body.dump(), "application/json");
    }
  };
  hub->Get(".*", [this, guarded](const httplib::Request& request, httplib::Response& response) {
    guarded(response, [&] { answer(request, response); });
  });
  storage->Get(".*", [this, guarded](const httplib::Request& request, httplib::Response& response) {
    guarded(response, [&] { answer_storage(request, response); });
  });
  const auto write = [this, guarded](const httplib::Request& request, httplib::Response& response,
                                     const httplib::ContentReader& content) {
    guarded(response, [&] { answer_write(request, response, content); });
  };
  hub->Post(".*", write);
  hub->Delete(".*", write);
  storage->Put(".*", [this, guarded](const httplib::Request& request, httplib::Response& response,
                                     const httplib::ContentReader& content) {
    guarded(response, [&] { answer_stored(request, response, content); });
  });
  serve(*hub, options.port, hub_port, hub_thread);
  serve(*storage, 0, storage_port, storage_thread);
}

HubServer::Impl::~Impl() {
  is_over = true;
  for (auto* server : {hub.get(), storage.get()}) server->stop();
  for (auto* thread : {&hub_thread, &storage_thread}) thread->join();
}

void HubServer::Impl::serve(httplib::Server& server, int port, int& bound, std::thread& thread) {
  struct Pool final : httplib::ThreadPool {  // counts connections: each is one task
    Pool(size_t count, std::atomic<int>& connections) : ThreadPool(count), counter(connections) {}
    void enqueue(std::function<void()> task) override {
      ++counter;
      ThreadPool::enqueue(std::move(task));
    }
    std::atomic<int>& counter;
  };
  server.new_task_queue = [this] { return new Pool(kThreads, connections); };
  server.set_keep_alive_max_count(1'000'000);
  server.set_keep_alive_timeout(1);
  server.set_tcp_nodelay(true);
  if (port == 0) {
    bound = server.bind_to_any_port("127.0.0.1");
  } else if (server.bind_to_port("127.0.0.1", port)) {
    bound = port;
  }
  thread = std::thread([&server] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();
}

void HubServer::Impl::note(const httplib::Request& request, bool is_storage) {
  const std::lock_guard lock(mutex);
  seen.push_back({.method = request.method,
                  .target = request.target,
                  .authorization = request.get_header_value("Authorization"),
                  .range = request.get_header_value("Range"),
                  .user_agent = request.get_header_value("User-Agent"),
                  .is_storage = is_storage,
                  .body_bytes = static_cast<int64_t>(request.get_header_value<uint64_t>("Content-Length"))});
}

std::optional<Fault> HubServer::Impl::take_fault(const httplib::Request& request) {
  const std::lock_guard lock(mutex);
  for (auto& fault : faults) {
    if (fault.times == 0 || (!fault.method.empty() && fault.method != request.method)) continue;
    if (request.target.find(fault.target) == std::string::npos) continue;
    if (fault.times > 0) --fault.times;
    return fault;
  }
  return std::nullopt;
}

// The faults that replace the answer.
bool HubServer::Impl::misbehave(const Fault& fault, const httplib::Request& request,
                                httplib::Response& response) const {
  if (fault.kind == Fault::Kind::Status) {
    const_cast<httplib::Request&>(request).ranges.clear();  // or httplib would cut the message
    response.status = static_cast<int>(fault.number);
    if (!fault.text.empty()) response.set_header("Retry-After", fault.text);
    response.set_content("out of order", "text/plain");
    return true;
  }
  const bool is_loop = fault.kind == Fault::Kind::RedirectLoop;
  if (!is_loop && fault.kind != Fault::Kind::RedirectTo) return false;
  response.set_redirect(is_loop ? request.target : fault.text, request.method == "GET" ? 302 : 307);
  return true;
}

std::string HubServer::Impl::user_of(const httplib::Request& request) const {
  const auto value = request.get_header_value("Authorization");
  if (value.empty()) return {};
  const auto found = value.starts_with("Bearer ") ? users.find(value.substr(7)) : users.end();
  if (found == users.end()) throw Refusal{401, "", "Invalid credentials in Authorization header"};
  return found->second;
}

StoredRepo& HubServer::Impl::repo_of(const std::string& id, const httplib::Request& request, bool wants_files) {
  const auto user = user_of(request);
  const auto found = repos.find(id);
  if (found == repos.end() || (found->second.access == Access::Private && user.empty()))
    throw Refusal{user.empty() ? 401 : 404, "RepoNotFound", "Repository not found"};
  if (wants_files && found->second.access == Access::Gated && user.empty())
    throw Refusal{401, "GatedRepo", "Access to model " + id + " is restricted and you are not authenticated"};
  return found->second;
}

void HubServer::Impl::answer(const httplib::Request& request, httplib::Response& response) {
  note(request, false);
  const auto parts = parts_of(request.target);
  if (parts.size() > 1 && parts[0] == "api") {
    const auto fault = take_fault(request);
    if (fault && misbehave(*fault, request, response)) return;
    return answer_api(parts, request, response);
  }
  answer_file(parts, request, response);
}

// /api/whoami-v2, /api/models/{id}[/revision/{rev} | /tree/{rev}[/folder]]
void HubServer::Impl::answer_api(const std::vector<std::string>& parts, const httplib::Request& request,
                                 httplib::Response& response) {
  const std::lock_guard lock(mutex);
  if (parts[1] == "whoami-v2") {
    const auto user = user_of(request);
    if (user.empty()) throw Refusal{401, "", "Invalid credentials in Authorization header"};
    return response.set_content(
        Json(Json::Object{{"type", "user"}, {"name", user}, {"auth", Json(Json::Object{{"type", "access_token"}})}})
            .dump(),
        "application/json");
  }
  if (parts.size() < 3 || parts[1] != "models") throw Refusal{404, "", "no such address"};
  const auto at = std::find_if(parts.begin() + 2, parts.end(),
                               [](const auto& part) { return part == "revision" || part == "tree"; }) -
                  parts.begin();
  const auto index = static_cast<size_t>(at);
  const auto id = join(std::span(parts).subspan(2, index - 2), "/");
  const auto& repo = repo_of(id, request, false);
  const auto revision = index + 1 < parts.size() ? parts[index + 1] : "main";
  const auto commit = repo.resolve(revision);
  if (!commit) throw Refusal{404, "RevisionNotFound", "Invalid rev id: " + revision};
  const bool is_tree = index < parts.size() && parts[index] == "tree";
  if (!is_tree) return answer_info(repo, id, *commit, request, response);
  answer_tree(repo.commits.at(*commit), joined(parts, index + 2), request, response);
}

void HubServer::Impl::answer_info(const StoredRepo& repo, const std::string& id, const std::string& commit,
                                  const httplib::Request& request, httplib::Response& response) const {
  Json siblings = Json::list();
  for (const auto& [name, file] : repo.commits.at(commit)) {
    Json entry = Json::object();
    entry["rfilename"] = name;
    if (request.has_param("blobs")) {
      const auto all = describe(name, file);
      entry["size"] = all.at("size");
      entry["blobId"] = all.at("oid");
      if (file.is_lfs)
        entry["lfs"] = Json(Json::Object{
            {"sha256", file.sha256}, {"size", static_cast<int64_t>(file.bytes.size())}, {"pointerSize", 134}});
    }
    siblings.push_back(std::move(entry));
  }
  Json info = Json::object();
  info["_id"] = "000000000000000000000000";
  info["id"] = id;
  info["modelId"] = id;
  info["sha"] = commit;
  info["private"] = repo.access == Access::Private;
  info["gated"] = repo.access == Access::Gated ? Json("auto") : Json(false);
  info["disabled"] = false;
  info["tags"] = Json::list();
  info["siblings"] = std::move(siblings);
  response.set_content(info.dump(), "application/json");
}

void HubServer::Impl::answer_tree(const Files& files, const std::string& folder, const httplib::Request& request,
                                  httplib::Response& response) const {
  const bool is_recursive = request.get_param_value("recursive") == "true" ||
                            request.get_param_value("recursive") == "True" ||
                            request.get_param_value("recursive") == "1";
  const auto start = folder.empty() ? "" : folder + "/";
  std::map<std::string, Json> entries;
  for (const auto& [name, file] : files) {
    if (!name.starts_with(start)) continue;
    for (size_t slash = name.find('/', start.size()); slash != std::string::npos; slash = name.find('/', slash + 1)) {
      const auto path = name.substr(0, slash);
      entries[path] =
          Json(Json::Object{{"type", "directory"}, {"oid", std::string(40, '0')}, {"size", 0}, {"path", path}});
      if (!is_recursive) break;
    }
    if (is_recursive || name.find('/', start.size()) == std::string::npos) entries[name] = describe(name, file);
  }
  if (entries.empty() && !folder.empty()) throw Refusal{404, "EntryNotFound", folder + " does not exist"};
  Json page = Json::list();
  auto entry = entries.upper_bound(request.get_param_value("cursor"));
  for (; entry != entries.end() && page.size() < page_size; ++entry) page.push_back(entry->second);
  if (entry != entries.end()) {
    const auto path = request.target.substr(0, request.target.find('?'));
    const auto cursor = httplib::detail::encode_query_param(std::prev(entry)->first);
    response.set_header("Link", str("<", url_of(false), path, "?recursive=", is_recursive ? "true" : "false",
                                    "&cursor=", cursor, ">; rel=\"next\""));
  }
  response.set_content(page.dump(), "application/json");
}

// /{id}/resolve/{rev}/{path}
void HubServer::Impl::answer_file(const std::vector<std::string>& parts, const httplib::Request& request,
                                  httplib::Response& response) {
  const auto at = std::find(parts.begin(), parts.end(), "resolve") - parts.begin();
  const auto index = static_cast<size_t>(at);
  if (index == 0 || index + 2 >= parts.size()) throw Refusal{404, "", "no such address"};
  StoredFile file;
  {
    const std::lock_guard lock(mutex);
    const auto& repo = repo_of(join(std::span(parts).first(index), "/"), request, true);
    const auto commit = repo.resolve(parts[index + 1]);
    if (!commit) throw Refusal{404, "RevisionNotFound", "Invalid rev id: " + parts[index + 1]};
    response.set_header("X-Repo-Commit", *commit);
    const auto& files = repo.commits.at(*commit);
    const auto found = files.find(joined(parts, index + 2));
    if (found == files.end()) throw Refusal{404, "EntryNotFound", "Entry not found"};
    file = found->second;
  }
  const auto fault = take_fault(request);
  if (fault && misbehave(*fault, request, response)) return;
  const bool lies = fault && fault->kind == Fault::Kind::LinkedSize;
  if (!file.is_lfs) {
    response.set_header("ETag", str("\"", file.git_id, "\""));
    if (lies) response.set_header("X-Linked-Size", str(fault->number));
    return send(file, request, response, fault);
  }
  response.set_header("X-Linked-Etag", str("\"", file.sha256, "\""));
  if (!fault || fault->kind != Fault::Kind::NoSize)
    response.set_header("X-Linked-Size", lies ? str(fault->number) : str(file.bytes.size()));
  response.set_redirect(str(url_of(true), "/lfs/", file.sha256, "?signature=secret"), 302);
}

void HubServer::Impl::answer_storage(const httplib::Request& request, httplib::Response& response) {
  note(request, true);
  const auto fault = take_fault(request);
  if (fault && misbehave(*fault, request, response)) return;
  const auto oid = parts_of(request.target).back();
  std::optional<StoredFile> file;
  {
    const std::lock_guard lock(mutex);
    file = object_of(oid);
  }
  if (!file) throw Refusal{404, "", "no such object"};
  response.set_header("ETag", "\"storage-etag\"");
  send(*file, request, response, fault);
}

void HubServer::Impl::send(const StoredFile& file, const httplib::Request& request, httplib::Response& response,
                           const std::optional<Fault>& fault) {
  using Kind = Fault::Kind;
  const auto has = [fault](Kind kind) { return fault && fault->kind == kind; };
  if (has(Kind::NoRanges)) const_cast<httplib::Request&>(request).ranges.clear();
  const auto length = has(Kind::WrongLength) ? static_cast<size_t>(fault->number) : file.bytes.size();
  if (length == 0) return response.set_content("", "application/octet-stream");
  auto sent = std::make_shared<int64_t>(0);
  const auto provide = [this, file, fault, sent, has](size_t offset, size_t count, httplib::DataSink& sink) {
    constexpr size_t kMost = 4 << 20;
    if (!fault) return sink.write(file.bytes.data() + offset, std::min(count, kMost));
    std::string block(std::min(count, kMost), 'x');
    if (offset < file.bytes.size())
      std::copy_n(file.bytes.data() + offset, std::min(block.size(), file.bytes.size() - offset), block.data());
    if (has(Kind::WrongByte)) {
      const auto at = static_cast<size_t>(fault->number);
      if (at >= offset && at < offset + block.size()) block[at - offset] = static_cast<char>(~block[at - offset]);
    }
    const bool ends = has(Kind::Cut) || has(Kind::Stall);
    if (ends) block.resize(std::min(block.size(), static_cast<size_t>(std::max<int64_t>(0, fault->number - *sent))));
    *sent += static_cast<int64_t>(block.size());
    if (!block.empty() && !sink.write(block.data(), block.size())) return false;
    if (!ends || *sent < fault->number) return true;
    for (int i = 0; has(Kind::Stall) && i < 400 && !is_over; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return false;
  };
  response.set_content_provider(length, "application/octet-stream", provide);
}

HubServer::HubServer(const ServerOptions& options) : impl_(std::make_unique<Impl>(options)) {}
HubServer::~HubServer() = default;

std::string HubServer::url() const { return impl_->url_of(false); }
std::string HubServer::storage_url() const { return impl_->url_of(true); }
std::string HubServer::certificate() const { return impl_->certificate; }

std::string HubServer::commit(const std::string& repo, const std::map<std::string, std::string>& files,
                              const std::string& branch) {
  Files changed;
  for (const auto& [name, text] : files) changed[name] = store_text(name, text);
  const std::lock_guard lock(impl_->mutex);
  return add_commit(impl_->repos[repo], branch, changed);
}

std::string HubServer::commit_folder(const std::string& repo, const std::filesystem::path& folder,
                                     const std::string& branch) {
  Files changed;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const auto name = entry.path().lexically_relative(folder).native();
    if (entry.is_regular_file()) changed[name] = store_file(entry.path(), name);
  }
  const std::lock_guard lock(impl_->mutex);
  return add_commit(impl_->repos[repo], branch, changed);
}

void HubServer::set_access(const std::string& repo, Access access) {
  const std::lock_guard lock(impl_->mutex);
  impl_->repos[repo].access = access;
}

void HubServer::add_token(const std::string& token, const std::string& user, bool can_write) {
  const std::lock_guard lock(impl_->mutex);
  impl_->users[token] = user;
  if (!can_write) impl_->readers[token] = user;
}

void HubServer::set_part_size(int64_t bytes) {
  const std::lock_guard lock(impl_->mutex);
  impl_->part_bytes = bytes;
}

void HubServer::expire_uploads() {
  const std::lock_guard lock(impl_->mutex);
  impl_->uploads.clear();
}

std::vector<SeenCommit> HubServer::commits() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->commits;
}

std::map<std::string, std::string> HubServer::files(const std::string& repo, const std::string& revision) const {
  const std::lock_guard lock(impl_->mutex);
  std::map<std::string, std::string> contents;
  const auto found = impl_->repos.find(repo);
  const auto commit = found == impl_->repos.end() ? std::nullopt : found->second.resolve(revision);
  if (!commit) return contents;
  for (const auto& [name, file] : found->second.commits.at(*commit)) contents.emplace(name, file.bytes);
  return contents;
}

bool HubServer::is_private(const std::string& repo) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->repos.at(repo).access == Access::Private;
}

void HubServer::set_page_size(size_t files) {
  const std::lock_guard lock(impl_->mutex);
  impl_->page_size = files;
}

void HubServer::add_fault(Fault fault) {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.push_back(std::move(fault));
}

void HubServer::clear_faults() {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.clear();
}

std::vector<SeenRequest> HubServer::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->seen;
}

void HubServer::forget_requests() {
  const std::lock_guard lock(impl_->mutex);
  impl_->seen.clear();
  impl_->connections = 0;
}

int HubServer::connections() const { return impl_->connections; }

}  // namespace transformers::hub_tests
