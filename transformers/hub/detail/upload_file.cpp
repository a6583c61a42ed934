#include "transformers/hub/detail/upload_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/hub/hash.h"

namespace transformers::hub::detail {

namespace {

constexpr int64_t kBlockBytes = 1 << 20;

[[noreturn]] void fail(const std::filesystem::path& path, int code) {
  const auto why = str(path, ": cannot be read: ", std::strerror(code));
  if (code == ENOENT) throw FileNotFoundError(why);
  throw OSError(why);
}

template <class Hash>
std::string hash_of(const UploadFile& file, Hash hash) {
  std::vector<std::byte> block(static_cast<size_t>(std::min(kBlockBytes, file.size_bytes())));
  for (int64_t done = 0; done < file.size_bytes();) {
    const auto part = std::span(block).first(static_cast<size_t>(std::min(kBlockBytes, file.size_bytes() - done)));
    file.read(done, part);
    hash.update(part);
    done += static_cast<int64_t>(part.size());
  }
  return hash.hex();
}

}  // namespace

// The file open for reading, and what tells it from others.
class UploadFile::Opened {
 public:
  explicit Opened(const std::filesystem::path& path) : path_(path) {
    // A pipe must not be waited for, and a link that takes the file's place meanwhile not be followed.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (descriptor_ < 0) fail(path, errno);
  }
  ~Opened() { ::close(descriptor_); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  [[nodiscard]] Stamp stamp() const {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) fail(path_, errno);
    if (!S_ISREG(status.st_mode)) throw OSError(str(path_, ": is no plain file and cannot be uploaded"));
    return {.device = status.st_dev,
            .inode = status.st_ino,
            .size_bytes = status.st_size,
            .seconds = status.st_mtim.tv_sec,
            .nanoseconds = status.st_mtim.tv_nsec};
  }
  /// Fewer bytes than asked for when the file ends before.
  [[nodiscard]] size_t read(int64_t offset, std::span<std::byte> bytes) const {
    size_t done = 0;
    while (done < bytes.size()) {
      const auto count =
          ::pread(descriptor_, bytes.data() + done, bytes.size() - done, offset + static_cast<int64_t>(done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(path_, errno);
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    return done;
  }

 private:
  const std::filesystem::path& path_;
  int descriptor_;
};

UploadFile::UploadFile(const std::filesystem::path& file) {
  std::error_code code;
  path_ = std::filesystem::canonical(file, code);
  if (code) fail(file, code.value());
  stamp_ = Opened(path_).stamp();
  size_bytes_ = stamp_.size_bytes;
}

UploadFile::UploadFile(std::string text) : text_(std::move(text)), size_bytes_(static_cast<int64_t>(text_.size())) {}

void UploadFile::read(int64_t offset, std::span<std::byte> bytes) const {
  if (path_.empty()) {
    std::memcpy(bytes.data(), text_.data() + offset, bytes.size());
    return;
  }
  const Opened file(path_);
  if (file.stamp() != stamp_ || file.read(offset, bytes) != bytes.size())
    throw OSError(str(path_, ": was changed while it was uploaded; upload it again when nobody writes to it"));
}

std::string UploadFile::sample(int64_t most_bytes) const {
  std::string bytes(static_cast<size_t>(std::min(most_bytes, size_bytes_)), '\0');
  if (!bytes.empty()) read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::string UploadFile::sha256() const { return hash_of(*this, Sha256()); }

std::string UploadFile::git_id() const {
  Sha1 hash;
  hash.update(git_blob_header(size_bytes_));
  return hash_of(*this, hash);
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const auto count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace transformers::hub::detail
