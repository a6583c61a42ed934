#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace transformers::hub::detail {

/// What is uploaded: a file that is read piece by piece and never mapped, or a text. It is opened for every piece,
/// since a folder may have more files than a process may hold open; one that changed since this object was made is
/// noticed by its identity, size and time, and is an OSError.
class UploadFile {
 public:
  /// Throws FileNotFoundError, OSError; OSError for what is no plain file.
  explicit UploadFile(const std::filesystem::path& file);
  explicit UploadFile(std::string text);

  [[nodiscard]] int64_t size_bytes() const { return size_bytes_; }
  /// Fills `bytes` from `offset` on.
  void read(int64_t offset, std::span<std::byte> bytes) const;
  /// Its first bytes, at most so many.
  [[nodiscard]] std::string sample(int64_t most_bytes) const;
  /// The hash that the Hub knows an LFS object by, and git's of a small file. Both read everything.
  [[nodiscard]] std::string sha256() const;
  [[nodiscard]] std::string git_id() const;

 private:
  struct Stamp {
    uint64_t device = 0, inode = 0;
    int64_t size_bytes = 0, seconds = 0, nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  class Opened;

  std::filesystem::path path_;
  std::string text_;
  int64_t size_bytes_ = 0;
  Stamp stamp_;
};

[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace transformers::hub::detail
