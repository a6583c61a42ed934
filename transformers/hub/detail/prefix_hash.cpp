#include "transformers/hub/detail/prefix_hash.h"

#include <vector>

#include "transformers/base/strings.h"
#include "transformers/hub/names.h"

namespace transformers::hub::detail {

namespace {

constexpr int64_t kThreadFromBytes = 4 << 20;  // less is hashed faster than a thread starts
constexpr int64_t kBlock = 1 << 20;

}  // namespace

PrefixHash::PrefixHash(const PartialFile& file, const std::string& blob_name) : file_(file), name_(blob_name) {
  git_.update(git_blob_header(file.size_bytes()));
  const bool is_checked = is_sha256(name_) || is_commit(name_);
  if (is_checked && file.size_bytes() >= kThreadFromBytes) thread_ = std::thread([this] { work(); });
}

PrefixHash::~PrefixHash() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PrefixHash::advance(int64_t prefix_bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (prefix_bytes - available_ < kBlock && prefix_bytes < file_.size_bytes()) return;
    available_ = prefix_bytes;
  }
  changed_.notify_one();
}

void PrefixHash::work() {
  try {
    while (hashed_ < file_.size_bytes()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_over_ || available_ > hashed_; });
      if (is_over_) return;
      const auto end = std::min(available_, hashed_ + 16 * kBlock);
      lock.unlock();
      hash_up_to(end);
    }
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void PrefixHash::hash_up_to(int64_t end) {
  std::vector<std::byte> block(static_cast<size_t>(std::min(kBlock, end - hashed_)));
  while (hashed_ < end) {
    const auto bytes = std::span(block).first(static_cast<size_t>(std::min<int64_t>(kBlock, end - hashed_)));
    file_.read(hashed_, bytes);
    if (is_sha256(name_)) {
      sha256_.update(bytes);
    } else if (is_commit(name_)) {
      git_.update(bytes);
      plain_.update(bytes);
    }
    hashed_ += static_cast<int64_t>(bytes.size());
  }
}

std::string PrefixHash::flaw() {
  if (thread_.joinable()) {
    advance(file_.size_bytes());
    thread_.join();
  }
  if (failure_) std::rethrow_exception(failure_);
  hash_up_to(file_.size_bytes());
  if (is_sha256(name_)) {
    const auto found = sha256_.hex();
    return found == name_ ? "" : str("its SHA-256 is ", found, ", the Hub says ", name_);
  }
  if (!is_commit(name_)) return {};
  // Git hashes a header too; some mirrors name files by the SHA-1 of the content alone.
  const auto found = git_.hex();
  return found == name_ || plain_.hex() == name_ ? "" : str("its git hash is ", found, ", the Hub says ", name_);
}

}  // namespace transformers::hub::detail
