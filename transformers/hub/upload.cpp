#include "transformers/hub/upload.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "transformers/base/json.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/api.h"
#include "transformers/hub/detail/lfs_upload.h"
#include "transformers/hub/detail/upload_file.h"
#include "transformers/hub/environment.h"
#include "transformers/hub/names.h"
#include "transformers/hub/upload_api.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

constexpr size_t kFilesPerQuestion = 256;
constexpr int64_t kSampleBytes = 512;
constexpr int64_t kMostCommitBytes = int64_t{2} << 30;  // of small files, which travel inside the commit

struct Operation {
  std::unique_ptr<hub::detail::UploadFile> file = {};  // empty: remove
  std::string sample = {};  // its first bytes, kept: once it is sent the file may be gone, and the Hub be asked again
  hub::UploadAnswer answer = {};
  std::string oid = {};  // set once the Hub was asked
  bool is_sent = false;

  [[nodiscard]] bool is_unchanged() const { return file && !oid.empty() && oid == answer.oid; }
};

std::string full_id(hub::HttpClient& client, std::string repo_id) {
  hub::check_repo_id(repo_id);
  if (repo_id.find('/') != std::string::npos) return repo_id;
  if (!client.options().token)
    throw HubError(str(repo_id,
                       ": without an organisation this is a repository of your own, and no token says who you "
                       "are; name one, run `transformers-cpp login`, or write organisation/name"));
  return str(hub::account_name(client), "/", repo_id);
}

std::string line(std::string_view key, Json::Object value) {
  return Json(Json::Object{{"key", key}, {"value", Json(std::move(value))}}).dump() + "\n";
}

}  // namespace

struct UploadCommit::Impl {
  Impl(std::string repo_id, UploadOptions given);

  void make_ready();
  void ask(std::span<const std::pair<const std::string*, Operation*>> part);
  void ask_all(bool again);
  void send_large();
  [[nodiscard]] std::string lines() const;
  [[nodiscard]] CommitInfo commit();
  [[nodiscard]] CommitInfo make_commit(const hub::CommitRequest& request);
  [[nodiscard]] CommitInfo current();
  [[nodiscard]] bool is_in_place();
  [[nodiscard]] Operation& operation(const std::string& path);

  UploadOptions options;
  hub::HttpClient client;
  hub::UploadApi api;
  std::map<std::string, Operation> operations = {};
  bool is_ready = false;
};

UploadCommit::Impl::Impl(std::string repo_id, UploadOptions given)
    : options(std::move(given)),
      client({.endpoint = hub::endpoint(),
              .token = hub::choose_token(options.token),
              .proxies = options.proxies,
              .answer_timeout_s = hub::answer_timeout_s(),
              .stall_timeout_s = hub::stall_timeout_s(),
              .retry = options.retry}),
      api(client, full_id(client, std::move(repo_id))) {
  hub::check_revision(options.revision);
  if (options.commit_message.empty()) throw ValueError("the commit message is empty; a commit needs one");
  if (!options.parent_commit.empty() && !hub::is_commit(options.parent_commit))
    throw ValueError(str("parent_commit is ", quote(options.parent_commit), ", expected 40 hexadecimal digits"));
}

// The repository and the branch, once.
void UploadCommit::Impl::make_ready() {
  if (std::exchange(is_ready, true)) return;
  api.create_repo(options.private_);
  if (options.revision == "main" || options.revision.starts_with("refs/pr/")) return;
  try {
    api.create_branch(options.revision);
  } catch (const HubError& error) {
    if (error.status != 403 || !options.create_pr) throw;  // who may not write may still propose
  }
}

Operation& UploadCommit::Impl::operation(const std::string& path) {
  hub::check_file_name(path);
  const auto first = path.substr(0, path.find('/'));
  if (first == ".git") throw ValueError(str(quote(path), " is git's own and cannot be uploaded"));
  return operations.insert_or_assign(path, Operation{}).first->second;
}

// What the Hub has under these names, and in which way they go there.
void UploadCommit::Impl::ask(std::span<const std::pair<const std::string*, Operation*>> part) {
  std::vector<hub::UploadQuestion> questions;
  for (const auto& [path, operation] : part) {
    if (operation->sample.empty()) operation->sample = operation->file->sample(kSampleBytes);
    questions.push_back({.path = *path, .size_bytes = operation->file->size_bytes(), .sample = operation->sample});
  }
  const auto answers = api.preupload(questions, options.revision, options.create_pr);
  for (size_t i = 0; i < part.size(); ++i) {
    auto& operation = *part[i].second;
    const bool had_hash = !operation.oid.empty() && operation.answer.is_lfs == answers[i].is_lfs;
    operation.answer = answers[i];
    if (operation.answer.is_ignored || had_hash) continue;
    logging::report_progress({.phase = str("hashing ", *part[i].first), .done = 0, .total = 1, .unit = "files"});
    operation.oid = answers[i].is_lfs ? operation.file->sha256() : operation.file->git_id();
  }
}

void UploadCommit::Impl::ask_all(bool again) {
  std::vector<std::pair<const std::string*, Operation*>> open;
  for (auto& [path, operation] : operations)
    if (operation.file && (again || operation.oid.empty()) && !operation.answer.is_ignored)
      open.emplace_back(&path, &operation);
  for (std::span rest(open); !rest.empty(); rest = rest.subspan(std::min(kFilesPerQuestion, rest.size())))
    ask(rest.first(std::min(kFilesPerQuestion, rest.size())));
}

void UploadCommit::Impl::send_large() {
  make_ready();
  ask_all(false);
  std::vector<hub::detail::LfsUpload> uploads;
  for (auto& [path, operation] : operations) {
    if (!operation.file || operation.is_sent || operation.answer.is_ignored || !operation.answer.is_lfs) continue;
    if (!operation.is_unchanged())
      uploads.push_back({.object = {.oid = operation.oid, .size_bytes = operation.file->size_bytes()},
                         .file = operation.file.get(),
                         .name = path});
  }
  hub::detail::send_objects(api, uploads, options.revision, options.tuning);
  for (auto& [path, operation] : operations) operation.is_sent |= operation.file && operation.answer.is_lfs;
}

std::string UploadCommit::Impl::lines() const {
  std::string text;
  for (const auto& [path, operation] : operations) {
    if (!operation.file) {
      text += line("deletedFile", {{"path", path}});
    } else if (operation.answer.is_ignored) {
      logging::info(str(path, ": is left out, the repository's .gitignore names it"));
    } else if (operation.is_unchanged()) {
      logging::info(str(path, ": is there already"));
    } else if (operation.answer.is_lfs) {
      text +=
          line("lfsFile",
               {{"path", path}, {"algo", "sha256"}, {"oid", operation.oid}, {"size", operation.file->size_bytes()}});
    } else {
      const auto size = operation.file->size_bytes();
      if (static_cast<int64_t>(text.size()) + size / 3 * 4 > kMostCommitBytes)
        throw HubError(str(api.repo(), ": the small files of one commit are more than ", human_bytes(kMostCommitBytes),
                           " together; upload them in several commits"));
      text += line(
          "file",
          {{"content", hub::detail::base64(operation.file->sample(size))}, {"path", path}, {"encoding", "base64"}});
    }
  }
  return text;
}

// The branch as it stands.
CommitInfo UploadCommit::Impl::current() {
  const auto commit = hub::HubApi(client, api.repo()).commit(options.revision, -1);
  return {.repo_id = api.repo(),
          .oid = commit,
          .commit_url = str(client.options().endpoint, "/", api.repo(), "/commit/", commit),
          .is_new = false};
}

// After an answer that was lost: whether the branch has everything that the commit should bring.
bool UploadCommit::Impl::is_in_place() {
  ask_all(true);
  return std::all_of(operations.begin(), operations.end(), [&](const auto& entry) {
    const auto& [path, operation] = entry;
    if (operation.file) return operation.is_unchanged() || operation.answer.is_ignored;
    return !hub::HubApi(client, api.repo()).head(options.revision, path, -1).info;
  });
}

CommitInfo UploadCommit::Impl::make_commit(const hub::CommitRequest& request) {
  for (int attempt = 0;; ++attempt) {
    try {
      const auto answer = api.commit(request);
      return {.repo_id = api.repo(),
              .oid = answer.commit,
              .commit_url = answer.commit_url,
              .pr_url = answer.pull_request_url};
    } catch (const HubError& error) {
      const bool is_unknown = !error.status || *error.status == 408 || *error.status >= 500;
      if (!is_unknown) throw;
      if (options.create_pr)
        throw HubError(str(api.repo(), ": whether the pull request was opened is not known (", error.what(),
                           "); look before you try again"),
                       error.status);
      if (is_in_place()) {
        logging::info(str(api.repo(), ": the answer to the commit was lost, the commit was made"));
        auto info = current();
        info.is_new = true;
        return info;
      }
      if (attempt >= options.retry.retries) throw;
      const auto delay = std::min(options.retry.longest_delay_s, options.retry.first_delay_s * std::pow(2.0, attempt));
      std::this_thread::sleep_for(std::chrono::duration<double>(delay));
    }
  }
}

CommitInfo UploadCommit::Impl::commit() {
  send_large();
  hub::CommitRequest request{.revision = options.revision,
                             .summary = options.commit_message,
                             .description = options.commit_description,
                             .parent_commit = options.parent_commit,
                             .create_pr = options.create_pr,
                             .lines = lines()};
  if (!request.lines.empty()) return make_commit(request);
  logging::info(str(api.repo(), ": nothing differs from revision ", quote(options.revision), ", no commit is made"));
  return current();
}

UploadCommit::UploadCommit(std::string repo_id, UploadOptions options)
    : impl_(std::make_unique<Impl>(std::move(repo_id), std::move(options))) {}

UploadCommit::~UploadCommit() = default;

const std::string& UploadCommit::repo_id() const { return impl_->api.repo(); }

void UploadCommit::add_file(const std::string& path_in_repo, const fs::path& file) {
  auto opened = std::make_unique<hub::detail::UploadFile>(file);
  impl_->operation(path_in_repo).file = std::move(opened);
}

void UploadCommit::add_text(const std::string& path_in_repo, std::string text) {
  impl_->operation(path_in_repo).file = std::make_unique<hub::detail::UploadFile>(std::move(text));
}

void UploadCommit::remove_file(const std::string& path_in_repo) { (void)impl_->operation(path_in_repo); }

void UploadCommit::send() { impl_->send_large(); }

bool UploadCommit::is_sent(const std::string& path_in_repo) const {
  const auto found = impl_->operations.find(path_in_repo);
  return found != impl_->operations.end() && found->second.is_sent;
}

CommitInfo UploadCommit::commit() {
  auto info = impl_->commit();
  impl_->operations.clear();
  return info;
}

CommitInfo upload_folder(const fs::path& folder, const std::string& repo_id, const UploadOptions& options,
                         const FolderOptions& choice) {
  if (!choice.path_in_repo.empty()) hub::check_file_name(choice.path_in_repo);
  const auto files = files_to_upload(folder, choice.patterns);
  if (files.empty())
    throw ValueError(str(folder, ": has no file to upload; the folder is empty or the patterns leave every file out"));
  UploadCommit commit(repo_id, options);
  for (const auto& [name, file] : files)
    commit.add_file(choice.path_in_repo.empty() ? name : str(choice.path_in_repo, "/", name), file);
  return commit.commit();
}

CommitInfo upload_file(const fs::path& file, const std::string& path_in_repo, const std::string& repo_id,
                       const UploadOptions& options) {
  UploadCommit commit(repo_id, options);
  commit.add_file(path_in_repo, file);
  return commit.commit();
}

}  // namespace transformers
