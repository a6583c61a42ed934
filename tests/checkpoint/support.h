#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers::testing {

/// A folder of its own for one test, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes `content` to the file `name`, replacing an old one by a new inode.
  std::filesystem::path write(std::string_view name, std::string_view content) const;

 private:
  std::filesystem::path path_;
};

/// The largest single allocation by operator new on this thread since `begin`.
class AllocationWatch {
 public:
  AllocationWatch();
  [[nodiscard]] size_t largest() const;
};

/// What came of opening a file that may be hostile.
struct Outcome {
  bool was_refused = false;
  std::string reason = {};  // text of the OSError
};
/// Opens `file`, and when that succeeds reads every byte of every tensor. Fails the test for any exception other than
/// an OSError that names the file, for a tensor outside the file, for an allocation above `most_multiple` of the
/// file's size, and for taking more than 50 ms of processor time.
Outcome open_hostile(const std::filesystem::path& file, size_t most_multiple = 16);

/// A file of tests/data/checkpoint.
std::filesystem::path data_file(std::string_view name);

/// The values that attack a length, count, type, dimension or offset.
std::span<const uint64_t> attack_values();

/// `bytes` with `width` bytes at `at` replaced by the low bytes of `value`.
std::string patched(std::string bytes, size_t at, size_t width, uint64_t value);

/// `value` as `width` little-endian bytes.
std::string little_endian(uint64_t value, size_t width);

}  // namespace transformers::testing
