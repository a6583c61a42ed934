#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace transformers::hub {

/// How a lock is waited for.
struct LockPolicy {
  double message_every_s = 10;
  /// After so long without a sign of life of the holder the work goes on without the lock: it saves a second download,
  /// and nothing depends on it, since every process writes a file of its own.
  double most_idle_s = 60;
  double poll_every_s = 0.1;
  /// Tries to lock an open file without waiting; empty: flock, which Python's filelock uses too. For tests.
  std::function<bool(int descriptor)> try_lock = {};
};

/// The lock of one blob, held while it lives. A lock file that cannot be made or opened (a cache that is read-only or
/// another user's) is done without.
class BlobLock {
 public:
  /// `sign_of_life` gives a number that changes while the holder works.
  BlobLock(std::filesystem::path file, const LockPolicy& policy, const std::function<int64_t()>& sign_of_life);
  ~BlobLock();
  BlobLock(const BlobLock&) = delete;
  BlobLock& operator=(const BlobLock&) = delete;

  [[nodiscard]] bool is_held() const { return descriptor_ >= 0; }

 private:
  enum class Attempt { Taken, Busy, Impossible };
  [[nodiscard]] Attempt attempt(const LockPolicy& policy);

  std::filesystem::path file_;
  int descriptor_ = -1;
};

}  // namespace transformers::hub
