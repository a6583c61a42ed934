#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace transformers::detail {

/// An open folder, locked: for as long as its owner lives, nobody else touches it.
class LockedFolder {
 public:
  LockedFolder(const std::filesystem::path& folder, int how)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0) return;
    while (::flock(descriptor_, how) != 0) {
      if (errno == EINTR) continue;
      is_locked_ = errno != EWOULDBLOCK;  // a file system without locks: go on as if there were nobody else
      return;
    }
    is_locked_ = true;
  }
  ~LockedFolder() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  LockedFolder(const LockedFolder&) = delete;
  LockedFolder& operator=(const LockedFolder&) = delete;
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  [[nodiscard]] bool is_locked() const { return is_locked_; }
  /// Whether this is still what `folder` names: another process may have moved it away before the lock was had.
  [[nodiscard]] bool is_at(const std::filesystem::path& folder) const {
    struct stat own {
    }, named{};
    return ::fstat(descriptor_, &own) == 0 && ::stat(folder.c_str(), &named) == 0 && own.st_dev == named.st_dev &&
           own.st_ino == named.st_ino;
  }
  void sync() const { (void)::fsync(descriptor_); }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
  bool is_locked_ = false;
};

}  // namespace transformers::detail
