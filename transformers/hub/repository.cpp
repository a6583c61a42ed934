#include "transformers/hub/repository.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/api.h"
#include "transformers/hub/environment.h"
#include "transformers/hub/lock.h"
#include "transformers/hub/names.h"
#include "transformers/hub/transfer.h"

namespace transformers::hub {

namespace fs = std::filesystem;

namespace {

constexpr int kFewPages = 4;  // of a listing that saves the requests for single files
constexpr int kMostPages = 1000;

bool is_outage(const HubError& error) {
  return !error.status || *error.status == 408 || *error.status == 429 || *error.status >= 500;
}

// Grows while another process downloads the blob, whichever client it is.
int64_t sign_of_life(const fs::path& blob) {
  int64_t sum = 0;
  const auto start = blob.filename().string() + ".";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(blob.parent_path(), ignored)) {
    const auto name = entry.path().filename().string();
    struct stat status {};
    if (!name.starts_with(start) || !name.ends_with(".incomplete") || ::stat(entry.path().c_str(), &status) != 0)
      continue;
    sum += status.st_mtim.tv_sec * 1'000'000 + status.st_mtim.tv_nsec / 1000 + status.st_size;
  }
  return sum;
}

}  // namespace

Repository::Repository(std::string repo_id, DownloadOptions options)
    : repo_(std::move(repo_id)),
      options_(std::move(options)),
      cache_(options_.cache_dir.value_or(cache_folder()), repo_) {
  check_revision(options_.revision);
  if (!options_.subfolder.empty()) check_file_name(options_.subfolder);
  if (is_offline())
    disconnected_ = "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set";
  else if (options_.local_files_only)
    disconnected_ = "local_files_only is set";
  if (!disconnected_.empty() && options_.force_download)
    throw ValueError(str(repo_, ": force_download needs the Hub, and ", disconnected_));
  settle_commit();
}

Repository::~Repository() = default;

HttpClient& Repository::client() {
  if (!client_)
    client_ = std::make_unique<HttpClient>(ClientOptions{.endpoint = endpoint(),
                                                         .token = choose_token(options_.token),
                                                         .proxies = options_.proxies,
                                                         .answer_timeout_s = answer_timeout_s(),
                                                         .stall_timeout_s = stall_timeout_s(),
                                                         .retry = options_.retry});
  return *client_;
}

void Repository::settle_commit() {
  if (is_commit(options_.revision)) {
    commit_ = options_.revision;
    return;
  }
  const auto known = cache_.commit_of(options_.revision);
  if (known) commit_ = *known;
  if (!disconnected_.empty()) {
    if (!known) not_here("");
    return;
  }
  try {
    // What is cached can be used at once when nobody answers; without it some patience is better.
    commit_ = ask_for_commit(known && !options_.force_download ? 0 : std::min(options_.retry.retries, 2));
    cache_.note_revision(options_.revision, commit_);
  } catch (const RevisionNotFoundError&) {
    throw;
  } catch (const RepositoryNotFoundError& error) {
    if (!known || options_.force_download) throw;
    refusal_ = std::current_exception();
    fall_back(error);
  } catch (const HubError& error) {
    if (!is_outage(error)) throw;
    disconnected_ = error.what();
    if (!known || options_.force_download) not_here("");
    fall_back(error);
  }
}

void Repository::fall_back(const HubError& error) {
  disconnected_ = error.what();
  logging::warning(str(repo_, ": the cached files of commit ", commit_.substr(0, 12), " are used: ", error.what()));
}

std::string Repository::ask_for_commit(int retries) {
  const HubApi api(client(), repo_);
  const auto name = full_name("config.json");
  const auto head = api.head(options_.revision, name, retries);
  if (head.commit.empty()) return api.commit(options_.revision, retries);
  if (head.info)
    heads_[name] = *head.info;
  else
    cache_.note_absent(head.commit, name);
  return head.commit;
}

fs::path Repository::folder() const {
  const auto folder = cache_.snapshot_folder(commit_);
  return options_.subfolder.empty() ? folder : folder / options_.subfolder;
}

std::string Repository::full_name(std::string_view file) const {
  check_file_name(file);
  return options_.subfolder.empty() ? std::string(file) : str(options_.subfolder, "/", file);
}

std::optional<fs::path> Repository::cached(std::string_view file) const {
  const auto name = full_name(file);
  if (options_.force_download && !forced_.contains(name)) return std::nullopt;
  return cache_.find(commit_, name);
}

const FileTree* Repository::tree(int most_pages) {
  if (!tree_) tree_ = cache_.tree(commit_);
  if (!tree_ && disconnected_.empty() && (!is_tree_tried_ || most_pages > kFewPages)) {
    is_tree_tried_ = true;
    try {
      tree_ = HubApi(client(), repo_).tree(commit_, most_pages);
      if (tree_) cache_.note_tree(commit_, *tree_);
    } catch (const ConnectionError&) {
      throw;
    } catch (const HubError& error) {
      if (most_pages > kFewPages) throw;
      logging::info(str(repo_, ": no listing (", error.what(), "); files are asked for one by one"));
    }
  }
  return tree_ ? &*tree_ : nullptr;
}

std::optional<FileInfo> Repository::find(std::string_view file) {
  if (const auto path = cached(file)) return FileInfo{.size_bytes = static_cast<int64_t>(fs::file_size(*path))};
  return look_up(file);
}

// What the Hub has: not the local file, which another process may just have made.
std::optional<FileInfo> Repository::look_up(std::string_view file) {
  const auto name = full_name(file);
  if (const auto found = heads_.find(name); found != heads_.end()) return found->second;
  if (!options_.force_download && cache_.is_known_absent(commit_, name)) return std::nullopt;
  if (const auto* files = tree(kFewPages)) {
    if (const auto found = files->find(name); found != files->end()) return found->second;
    if (disconnected_.empty()) cache_.note_absent(commit_, name);
    return std::nullopt;
  }
  if (!disconnected_.empty()) not_here(file);
  const auto head = HubApi(client(), repo_).head(commit_, name, -1);
  if (!head.info) {
    cache_.note_absent(commit_, name);
    return std::nullopt;
  }
  return heads_.emplace(name, *head.info).first->second;
}

fs::path Repository::fetch(std::string_view file) {
  if (auto path = cached(file)) return *path;
  const auto name = full_name(file);
  const auto info = look_up(file);
  if (!info)
    throw EntryNotFoundError(str(repo_, ": has no file ", quote(name), " at revision ", quote(options_.revision)), 404);
  if (!disconnected_.empty()) not_here(file);
  cache_.make_folders(commit_, name);
  cache_.note_revision(options_.revision, commit_);
  fetch_into_cache(name, *info);
  forced_.insert(name);
  return folder() / file;
}

void Repository::fetch_into_cache(const std::string& name, const FileInfo& info) {
  const auto blob = cache_.blob(info.blob);
  std::error_code ignored;
  const BlobLock lock(cache_.lock_file(info.blob), options_.lock, [&] { return sign_of_life(blob); });
  const bool is_new = options_.force_download || !fs::is_regular_file(blob, ignored);
  // Another process may have been done with it while this one waited.
  if (is_new && !options_.force_download && cache_.find(commit_, name)) return;
  if (is_new) {
    const BlobSource source{.url = HubApi(client(), repo_).file_url(commit_, name), .name = name, .info = info};
    fetch_blob(client(), source, blob, options_.tuning);
  }
  cache_.link(commit_, name, info.blob, is_new);
}

std::vector<std::string> Repository::list() {
  const auto* files = tree(kMostPages);
  if (!files) not_here("");
  return names_of(*files);
}

std::vector<std::string> Repository::list_if_short() {
  const auto* files = tree(kFewPages);
  return files ? names_of(*files) : std::vector<std::string>();
}

std::vector<std::string> Repository::names_of(const FileTree& files) const {
  const auto start = options_.subfolder.empty() ? std::string() : options_.subfolder + "/";
  std::vector<std::string> names;
  for (const auto& [name, info] : files)
    if (name.starts_with(start)) names.push_back(name.substr(start.size()));
  return names;
}

void Repository::not_here(std::string_view file) const {
  if (refusal_) std::rethrow_exception(refusal_);
  const auto what = file.empty() ? str("revision ", quote(options_.revision))
                                 : str("the file ", quote(full_name(file)), " of revision ", quote(options_.revision));
  throw LocalEntryNotFoundError(str(repo_, ": no such folder, and ", what, " is not in the Hub cache ",
                                    options_.cache_dir.value_or(cache_folder()),
                                    ", and the Hub cannot be asked: ", disconnected_));
}

}  // namespace transformers::hub
