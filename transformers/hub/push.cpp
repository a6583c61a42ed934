#include "transformers/hub/push.h"

#include <algorithm>
#include <future>
#include <map>
#include <set>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/base/temporary_folder.h"
#include "transformers/hub/environment.h"
#include "transformers/hub/model_card.h"
#include "transformers/hub/names.h"
#include "transformers/hub/repository.h"
#include "transformers/hub/upload.h"

namespace transformers::hub {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMostCardBytes = 16 << 20;

// The old names of arguments, turned into the new ones.
struct Arguments {
  std::string repo_id = {};
  PushToHubOptions options = {};
};

std::string text_of(const Json& value, std::string_view name) {
  if (!value.is_string()) throw TypeError(str(name, " is a ", value.type_name(), ", expected text"));
  return value.as_string();
}

void take_name(Arguments& arguments, const std::string& name, std::string_view old) {
  if (!arguments.repo_id.empty())
    throw ValueError(str("repo_id and its old name ", old, " are both given; keep repo_id"));
  arguments.repo_id = name;
}

void take_deprecated(Arguments& arguments, const std::string& key, const Json& value) {
  if (key == "use_auth_token") return take_old_token(arguments.options.token, value);
  logging::deprecated(str("push_to_hub: the argument ", key, " is deprecated; write it into repo_id"));
  if (key == "repo_path_or_name") {
    const fs::path path(text_of(value, key));
    std::error_code ignored;
    take_name(
        arguments,
        fs::is_directory(path, ignored) ? fs::absolute(path).lexically_normal().filename().string() : path.native(),
        key);
  } else if (key == "repo_url") {
    const auto url = text_of(value, key), start = endpoint() + "/";
    if (!url.starts_with(start)) throw ValueError(str("repo_url ", quote(url), " does not begin with ", start));
    take_name(arguments, url.substr(start.size()), key);
  } else {
    throw TypeError(str("push_to_hub has no argument ", quote(key)));
  }
}

Arguments resolved(const std::string& repo_id, const PushToHubOptions& options) {
  Arguments arguments{.repo_id = repo_id, .options = options};
  const auto& old = options.deprecated_kwargs;
  if (old.size() == 0) return arguments;
  for (const auto& [key, value] : old.as_object())
    if (key != "organization" && !value.is_null()) take_deprecated(arguments, key, value);
  if (const auto* organization = old.find("organization"); organization && !organization->is_null()) {
    logging::deprecated("push_to_hub: the argument organization is deprecated; write it into repo_id");
    const auto prefix = text_of(*organization, "organization") + "/";
    if (!arguments.repo_id.starts_with(prefix)) {
      if (arguments.repo_id.find('/') != std::string::npos)
        throw ValueError(str("repo_id ", quote(arguments.repo_id), " and organization ", quote(prefix),
                             " name two owners; keep repo_id"));
      arguments.repo_id = prefix + arguments.repo_id;
    }
  }
  return arguments;
}

// Sends one file at a time while the next is written. The commit is used by one thread at a time.
class Streamer final : public FileSink {
 public:
  explicit Streamer(UploadCommit& commit) : commit_(commit) {}
  ~Streamer() override {
    if (running_.valid()) running_.wait();
  }
  Streamer(const Streamer&) = delete;
  Streamer& operator=(const Streamer&) = delete;

  void take(const std::string& name, const fs::path& file) override {
    finish();
    running_ = std::async(std::launch::async, [this, name, file] {
      commit_.add_file(name, file);
      commit_.send();
      if (!commit_.is_sent(name)) return;
      std::error_code ignored;
      fs::remove(file, ignored);
      streamed_.insert(name);
    });
  }
  void finish() override {
    if (running_.valid()) running_.get();
  }
  [[nodiscard]] bool has(const std::string& name) const { return streamed_.contains(name); }

 private:
  UploadCommit& commit_;
  std::set<std::string> streamed_;
  std::future<void> running_;
};

// A save makes no links; those of the user are no business of the push.
std::map<std::string, fs::path> saved_files(const fs::path& folder) {
  return files_to_upload(folder, {}, OutsideLinks::LeaveOut);
}

// Of the files that a folder had before the save: what tells a new one.
std::map<std::string, fs::file_time_type> times_of(const fs::path& folder) {
  std::map<std::string, fs::file_time_type> times;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return times;
  for (const auto& [name, file] : saved_files(folder)) times.emplace(name, fs::last_write_time(file));
  return times;
}

bool is_deep(const std::string& name) { return std::count(name.begin(), name.end(), '/') > 1; }

// The card of a revision as it is now, not as some cache remembers it.
std::string remote_card(const std::string& repo_id, const std::string& revision, const PushToHubOptions& options) {
  const TemporaryFolder cache("push");
  DownloadOptions download{.revision = revision, .cache_dir = cache.path(), .token = options.token};
  download.retry = options.retry;
  Repository repository(repo_id, download);  // a folder of that name here is another thing
  return repository.find("README.md") ? read_text(repository.fetch("README.md"), kMostCardBytes) : std::string();
}

std::string current_card(const std::map<std::string, fs::path>& files, const std::string& repo_id,
                         const PushToHubOptions& options) {
  if (const auto own = files.find("README.md"); own != files.end()) return read_text(own->second, kMostCardBytes);
  const auto revision = options.revision.value_or("main");
  try {
    return remote_card(repo_id, revision, options);
  } catch (const RevisionNotFoundError&) {  // the branch will begin as a copy of this one
    return revision == "main" ? std::string() : remote_card(repo_id, "main", options);
  } catch (const GatedRepoError&) {
    throw;
  } catch (const RepositoryNotFoundError&) {
    return {};
  }
}

std::vector<std::string> all_tags(const Pushed& pushed, const PushToHubOptions& options) {
  auto tags = pushed.tags;
  for (const auto& tag : options.tags)
    if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  return tags;
}

UploadOptions upload_options(const PushToHubOptions& options, const Pushed& pushed) {
  return {.revision = options.revision.value_or("main"),
          .create_pr = options.create_pr,
          .private_ = options.private_,
          .commit_message = options.commit_message.value_or(std::string(pushed.message)),
          .commit_description = options.commit_description.value_or(""),
          .token = options.token,
          .retry = options.retry,
          .tuning = options.tuning};
}

std::string push_from(const fs::path& folder, bool is_temporary, const Arguments& arguments, const Pushed& pushed) {
  const auto before = times_of(folder);
  UploadCommit commit(arguments.repo_id, upload_options(arguments.options, pushed));
  std::map<std::string, fs::path> files;
  {
    Streamer streamer(commit);
    pushed.save(folder, is_temporary ? &streamer : nullptr);
    streamer.finish();
    files = saved_files(folder);
    for (const auto& [name, file] : files) {
      const auto old = before.find(name);
      const bool is_new = old == before.end() || fs::last_write_time(file) > old->second;
      if (is_new && !is_deep(name) && !streamer.has(name)) commit.add_file(name, file);
    }
  }
  const auto card = current_card(files, commit.repo_id(), arguments.options);
  const auto extended = extend_model_card(card, all_tags(pushed, arguments.options));
  if (extended != card) commit.add_text("README.md", extended);
  return commit.commit().url();
}

}  // namespace

std::string push_to_hub(const std::string& repo_id, const PushToHubOptions& options, const Pushed& pushed) {
  const auto arguments = resolved(repo_id, options);
  check_repo_id(arguments.repo_id);
  if (!pushed.folder.empty()) return push_from(pushed.folder, false, arguments, pushed);
  const fs::path working = arguments.repo_id.substr(arguments.repo_id.rfind('/') + 1);
  std::error_code ignored;
  const bool is_temporary = arguments.options.use_temp_dir.value_or(!fs::is_directory(working, ignored));
  if (!is_temporary) return push_from(working, false, arguments, pushed);
  const TemporaryFolder folder("push");
  return push_from(folder.path(), true, arguments, pushed);
}

}  // namespace transformers::hub
