#include "transformers/base/file_transaction.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "transformers/base/detail/locked_folder.h"
#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace fs = std::filesystem;

using detail::LockedFolder;

namespace {

constexpr std::string_view kPrivatePrefix = ".transformers-save-";
constexpr std::string_view kCommittedFolder = ".transformers-committed";
constexpr std::string_view kRemovals = ".removals";  // names, each ended by NUL

[[noreturn]] void fail(const fs::path& path, std::string_view what) {
  throw OSError(str(path, ": ", what, ": ", std::strerror(errno)));
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    names.push_back(it->path().filename().native());
  if (code) throw OSError(str(folder, ": cannot be listed: ", code.message()));
  return names;
}

void check_name(std::string_view name) {
  if (name.empty() || name.front() == '.' || name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos)
    throw ValueError(str("the file name ", quote(name), " cannot be part of a save; expected a plain name"));
}

// A folder itself, no link to one: what lies behind a link is not ours to move.
bool is_real_folder(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void check_path(std::string_view name) {
  for (const auto& part : split(name, '/')) check_name(part);
}

// What a save of ours leaves: plain files and folders of them.
void check_plain(const fs::path& committed) {
  for (const auto& name : names_in(committed)) {
    const auto path = committed / name;
    struct stat status {};
    if (is_real_folder(path))
      check_plain(path);
    else if (::lstat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
      throw OSError(str(path, ": is no plain file, so no save of ours left it; remove ", committed));
  }
}

void sync_folder(const fs::path& folder) {
  if (const LockedFolder synced(folder, LOCK_UN); synced.is_open()) synced.sync();
}

void move_into(const fs::path& from, const fs::path& to) {
  for (const auto& name : names_in(from)) {
    if (name == kRemovals) continue;
    const auto source = from / name, target = to / name;
    if (is_real_folder(source)) {
      if (::mkdir(target.c_str(), 0777) != 0 && !is_real_folder(target))
        fail(target, "an interrupted save cannot be finished");
      move_into(source, target);
      sync_folder(target);
      (void)::rmdir(source.c_str());
    } else if (::rename(source.c_str(), target.c_str()) != 0 && errno != ENOENT) {
      fail(target, "an interrupted save cannot be finished");
    }
  }
}

void sync_folders_in(const fs::path& folder) {
  for (const auto& name : names_in(folder)) {
    if (!is_real_folder(folder / name)) continue;
    sync_folders_in(folder / name);
    sync_folder(folder / name);
  }
}

// Idempotent: a second process, or a second try, finds less to do and ends in the same place.
void carry_out(const fs::path& folder) {
  const auto committed = folder / kCommittedFolder;
  std::vector<std::string> removals;
  if (std::error_code code; fs::exists(committed / kRemovals, code))
    removals = split(read_text(committed / kRemovals), '\0');
  std::erase(removals, std::string());
  for (const auto& name : removals) check_name(name);  // whoever wrote this list, nothing outside the folder goes
  check_plain(committed);
  move_into(committed, folder);
  for (const auto& name : removals)
    if (::unlink((folder / name).c_str()) != 0 && errno != ENOENT)
      fail(folder / name, "an interrupted save cannot be finished");
  sync_folder(folder);
  (void)::unlink((committed / kRemovals).c_str());
  if (::rmdir(committed.c_str()) != 0 && errno != ENOENT) fail(committed, "cannot be removed");
}

// Private folders whose owners are gone: a living one holds its lock.
void remove_abandoned(const fs::path& folder) {
  for (const auto& name : names_in(folder)) {
    if (!name.starts_with(kPrivatePrefix)) continue;
    const LockedFolder abandoned(folder / name, LOCK_EX | LOCK_NB);
    std::error_code ignored;
    if (abandoned.is_locked()) fs::remove_all(folder / name, ignored);
  }
}

}  // namespace

void finish_transactions(const fs::path& folder) {
  if (!is_real_folder(folder / kCommittedFolder)) return;
  const LockedFolder lock(folder, LOCK_EX);
  if (is_real_folder(folder / kCommittedFolder)) carry_out(folder);
}

FileTransaction::FileTransaction(fs::path folder) : folder_(std::move(folder)) {
  static std::atomic<uint64_t> counter{0};
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code) throw OSError(str(folder_, ": cannot be created: ", code.message()));
  finish_transactions(folder_);
  remove_abandoned(folder_);
  private_ = folder_ / str(kPrivatePrefix, int64_t{::getpid()}, "-", counter++);
  if (::mkdir(private_.c_str(), 0777) != 0) fail(folder_, "cannot be written");
  lock_ = LockedFolder(private_, LOCK_EX | LOCK_NB).release();
}

FileTransaction::~FileTransaction() {
  std::error_code ignored;
  if (!private_.empty()) fs::remove_all(private_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

fs::path FileTransaction::stage(std::string_view name) {
  check_path(name);
  auto path = private_ / name;
  for (auto part = name.find('/'); part != std::string_view::npos; part = name.find('/', part + 1)) {
    const std::string parent(name.substr(0, part));
    if (std::error_code ignored;
        fs::exists(fs::symlink_status(folder_ / parent, ignored)) && !is_real_folder(folder_ / parent))
      throw OSError(str(folder_ / parent, ": is no folder, or a link to one; remove it"));
    if (::mkdir((private_ / parent).c_str(), 0777) != 0 && errno != EEXIST) fail(private_ / parent, "cannot be made");
  }
  return path;
}

void FileTransaction::remove(std::string_view name) {
  check_name(name);
  removed_.emplace_back(name);
}

void FileTransaction::commit() {
  std::string removals;
  for (const auto& name : removed_)
    if (std::error_code code; !fs::exists(private_ / name, code)) removals += name + '\0';
  if (!removals.empty()) write_text_atomic(private_ / kRemovals, removals);
  sync_folders_in(private_);
  if (lock_ >= 0 && ::fsync(lock_) != 0 && errno != EINVAL) fail(folder_, "cannot be synced, the old files are kept");
  const LockedFolder lock(folder_, LOCK_EX);
  // Another process may have committed since, and died.
  if (is_real_folder(folder_ / kCommittedFolder)) carry_out(folder_);
  if (::rename(private_.c_str(), (folder_ / kCommittedFolder).c_str()) != 0)
    fail(folder_, "cannot be written, the old files are kept");
  private_.clear();
  lock.sync();
  carry_out(folder_);
}

}  // namespace transformers
