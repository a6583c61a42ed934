#include "transformers/hub/download.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/names.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

bool fits_one(const std::string& name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return hub::matches(name, pattern.ends_with('/') ? pattern + "*" : pattern);
  });
}

std::string list_of(std::string_view before, const std::vector<std::string>& patterns) {
  std::vector<std::string> quoted;
  for (const auto& pattern : patterns) quoted.push_back(quote(pattern));
  return quoted.empty() ? std::string() : str(before, join(quoted, ", "));
}

std::optional<fs::path> in_folder(const fs::path& folder, const std::string& name, const DownloadOptions& options) {
  const auto inside = options.subfolder.empty() ? folder : path_inside(folder, options.subfolder, "subfolder");
  auto path = path_inside(inside, name, folder.native());
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) ? std::optional(std::move(path)) : std::nullopt;
}

}  // namespace

bool FilePatterns::wants(const std::string& name) const {
  return (allow.empty() || fits_one(name, allow)) && !fits_one(name, ignore);
}

std::optional<fs::path> cached_file(const std::string& source, const std::string& filename,
                                    const DownloadOptions& options) {
  std::error_code ignored;
  if (fs::is_directory(source, ignored)) return in_folder(source, filename, options);
  hub::Repository repository(source, options);
  if (!repository.cached(filename) && !repository.find(filename)) return std::nullopt;
  return repository.fetch(filename);
}

bool has_file(const std::string& source, const std::string& filename, const DownloadOptions& options) {
  std::error_code ignored;
  if (fs::is_directory(source, ignored)) return in_folder(source, filename, options).has_value();
  try {
    hub::Repository repository(source, options);
    return repository.find(filename).has_value();
  } catch (const LocalEntryNotFoundError&) {
    return false;
  } catch (const hub::ConnectionError&) {
    return false;
  }
}

fs::path snapshot_download(const std::string& repo_id, const FilePatterns& patterns, const DownloadOptions& options) {
  hub::Repository repository(repo_id, options);
  std::error_code ignored;
  std::vector<std::string> names;
  try {
    names = repository.list();
  } catch (const LocalEntryNotFoundError&) {
    // Without a listing nobody can say whether the folder is complete; the Python client gives it too.
    if (fs::is_directory(repository.folder(), ignored)) return repository.folder();
    throw;
  }
  if (names.empty() && !options.subfolder.empty())
    throw EntryNotFoundError(
        str(repo_id, ": has no folder ", quote(options.subfolder), " at revision ", quote(options.revision)));
  const bool is_any = !names.empty();
  std::erase_if(names, [&](const std::string& name) { return !patterns.wants(name); });
  if (names.empty() && is_any)
    throw EntryNotFoundError(str(repo_id, ": has no file that fits the patterns", list_of(" ", patterns.allow),
                                 list_of(" without ", patterns.ignore)));
  int64_t done = 0;
  for (const auto& name : names) {
    repository.fetch(name);
    const auto phase = str("fetching ", repo_id);
    logging::report_progress(
        {.phase = phase, .done = ++done, .total = static_cast<int64_t>(names.size()), .unit = "files"});
  }
  return repository.folder();
}

}  // namespace transformers
