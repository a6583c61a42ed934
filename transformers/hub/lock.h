#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "transformers/hub/options.h"

namespace transformers::hub {

/// The lock of one blob, held while it lives. A lock file that cannot be made or opened (a cache that is read-only or
/// another user's) is done without.
class BlobLock {
 public:
  /// `sign_of_life` gives a number that changes while the holder works.
  BlobLock(std::filesystem::path file, const LockPolicy& policy, const std::function<int64_t()>& sign_of_life);
  ~BlobLock();
  BlobLock(const BlobLock&) = delete;
  BlobLock& operator=(const BlobLock&) = delete;

 private:
  enum class Attempt { Taken, Busy, Impossible };
  [[nodiscard]] Attempt attempt(const LockPolicy& policy);

  std::filesystem::path file_;
  int descriptor_ = -1;
};

}  // namespace transformers::hub
