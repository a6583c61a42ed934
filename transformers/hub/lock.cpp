#include "transformers/hub/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <thread>

#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers::hub {

namespace fs = std::filesystem;

using Clock = std::chrono::steady_clock;

static double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

BlobLock::Attempt BlobLock::attempt(const LockPolicy& policy) {
  // Group-writable as the Python client's, so that users who share a cache wait for each other.
  const int descriptor = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664);
  if (descriptor < 0) return Attempt::Impossible;
  const bool is_locked = policy.try_lock ? policy.try_lock(descriptor) : ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  const int code = errno;
  if (is_locked) {
    // The last holder may have removed the file between the two calls: then another one has the name by now.
    struct stat locked {
    }, named{};
    const bool is_current = ::fstat(descriptor, &locked) == 0 && ::stat(file_.c_str(), &named) == 0 &&
                            locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
    if (is_current) {
      descriptor_ = descriptor;
      return Attempt::Taken;
    }
  }
  ::close(descriptor);
  const bool is_busy = is_locked || policy.try_lock || code == EWOULDBLOCK || code == EACCES || code == EINTR;
  return is_busy ? Attempt::Busy : Attempt::Impossible;
}

BlobLock::BlobLock(fs::path file, const LockPolicy& policy, const std::function<int64_t()>& sign_of_life)
    : file_(std::move(file)) {
  std::error_code ignored;
  fs::create_directories(file_.parent_path(), ignored);
  const auto start = Clock::now();
  auto last_life = start, last_message = start;
  int64_t life = sign_of_life();
  for (;;) {
    const auto result = attempt(policy);
    if (result == Attempt::Taken) return;
    if (result == Attempt::Impossible) {
      logging::debug(str(file_, ": cannot be locked; going on without"));
      return;
    }
    if (const auto now = sign_of_life(); now != life) life = now, last_life = Clock::now();
    if (seconds_since(last_life) >= policy.most_idle_s) {
      logging::warning(str(file_, ": another process holds this lock and has not moved for ",
                           std::round(seconds_since(last_life)), " s; going on without it"));
      return;
    }
    if (seconds_since(last_message) >= policy.message_every_s) {
      logging::warning(str(file_, ": waiting for another process that downloads the same file (",
                           std::round(seconds_since(start)), " s so far)"));
      last_message = Clock::now();
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(policy.poll_every_s));
  }
}

BlobLock::~BlobLock() {
  // The file stays: removing it would let a third process lock another file of the same name.
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace transformers::hub
