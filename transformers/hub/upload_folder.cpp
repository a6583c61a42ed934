#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/hub/names.h"
#include "transformers/hub/upload.h"

// Which files of a folder are uploaded.
namespace transformers {

namespace fs = std::filesystem;

namespace {

// Of git, of the Python client, and of saves of ours that are under way or were killed.
bool is_private(const fs::path& path) {
  const auto name = path.filename().native();
  if (name == ".git" || name.starts_with(".transformers-save-") || name == ".transformers-committed") return true;
  if (name.ends_with(".incomplete") || (name.starts_with('.') && name.ends_with(".tmp"))) return true;
  return name == "huggingface" && path.parent_path().filename() == ".cache";
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

// Where the links of a folder may lead: into it, and out of a snapshot to the blobs of its repository.
std::vector<fs::path> allowed_targets(const fs::path& folder) {
  std::vector<fs::path> targets = {folder};
  std::error_code ignored;
  const auto snapshots = folder.parent_path();
  if (snapshots.filename() != "snapshots" || !hub::is_commit(folder.filename().native())) return targets;
  const auto blobs = snapshots.parent_path() / "blobs";
  if (fs::is_directory(blobs, ignored)) targets.push_back(fs::canonical(blobs));
  return targets;
}

// Why what a link leads to is not uploaded; empty when it is. `target` is empty when there is none.
std::string flaw_of_link(const fs::path& target, const std::vector<fs::path>& allowed) {
  if (target.empty()) return "the link leads nowhere; remove it or leave it out by a pattern";
  if (std::none_of(allowed.begin(), allowed.end(), [&](const fs::path& folder) { return lies_in(target, folder); }))
    return str("the link leads out of the folder, to ", target,
               ", which is not uploaded; put the file itself there or leave it out by a pattern");
  std::error_code ignored;
  return fs::is_directory(target, ignored) ? "is a link to a folder, which is not uploaded" : "";
}

}  // namespace

std::map<std::string, fs::path> files_to_upload(const fs::path& given, const FilePatterns& patterns,
                                                OutsideLinks links) {
  std::error_code code;
  if (!fs::is_directory(given, code)) throw FileNotFoundError(str(given, ": is no folder that could be uploaded"));
  const auto folder = fs::canonical(given);
  const auto targets = allowed_targets(folder);
  std::map<std::string, fs::path> files;
  fs::recursive_directory_iterator it(folder, code), end;
  for (; !code && it != end; it.increment(code)) {
    if (is_private(it->path())) {
      it.disable_recursion_pending();
      continue;
    }
    const auto name = it->path().lexically_relative(folder).generic_string();
    const bool is_link = it->is_symlink();
    if ((!is_link && it->is_directory()) || !patterns.wants(name)) continue;
    auto target = it->path();
    if (is_link) {
      std::error_code ignored;
      target = fs::canonical(target, ignored);
      const auto flaw = flaw_of_link(target, targets);
      if (!flaw.empty() && links == OutsideLinks::LeaveOut) continue;
      if (!flaw.empty()) throw ValueError(str(it->path(), ": ", flaw));
    }
    hub::check_file_name(name);
    files.emplace(name, target);
  }
  if (code) throw OSError(str(folder, ": cannot be listed: ", code.message()));
  return files;
}

}  // namespace transformers
