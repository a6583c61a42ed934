#include "transformers/base/partial_folder.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "transformers/base/detail/locked_folder.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace fs = std::filesystem;

PartialFolder::PartialFolder(const fs::path& target) : target_(fs::absolute(target).lexically_normal()) {
  if (!target_.has_filename()) target_ = target_.parent_path();
  outer_ = target_.parent_path() / str(".", target_.filename().native(), ".transformers-partial");
  std::error_code code;
  fs::create_directories(outer_, code);
  if (code) throw OSError(str(outer_, ": cannot be created: ", code.message()));
  lock_ = std::make_unique<detail::LockedFolder>(outer_, LOCK_EX | LOCK_NB);
  if (!lock_->is_open()) throw OSError(str(outer_, ": cannot be opened: ", std::strerror(errno)));
  if (!lock_->is_locked() || !lock_->is_at(outer_))
    throw OSError(str(target_, ": another process is writing it at the moment; wait for it or name another folder"));
  path_ = outer_ / "files";
  fs::remove_all(path_, code);  // of one that was killed
  if (!code) fs::create_directory(path_, code);
  if (code) throw OSError(str(path_, ": cannot be created: ", code.message()));
}

PartialFolder::~PartialFolder() {
  std::error_code ignored;
  if (!outer_.empty()) fs::remove_all(outer_, ignored);
}

void PartialFolder::commit() {
  if (std::rename(path_.c_str(), target_.c_str()) != 0)
    throw OSError(str(target_, ": cannot be created: ", std::strerror(errno)));
  std::error_code ignored;
  fs::remove_all(outer_, ignored);
  outer_.clear();  // from now on it may be another's
  if (const detail::LockedFolder parent(target_.parent_path(), LOCK_UN); parent.is_open()) parent.sync();
}

}  // namespace transformers
