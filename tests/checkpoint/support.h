#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

/// An entry to be written that holds the bytes of `text`.
CheckpointWriteEntry make_entry(std::string name, std::string_view text, DataType dtype = DataType::U8);

/// What a reader holds, to be written again; the reader must outlive it. Backwards, the order of a file is the writer's
/// doing.
std::vector<CheckpointWriteEntry> copy_entries(const CheckpointReader& reader);
std::vector<CheckpointWriteEntry> reversed_entries(const CheckpointReader& reader);

/// Fails the test unless `write` asks each of the entries that it is given for its bytes once, and drops them before it
/// asks the next.
void expect_one_tensor_at_a_time(const std::function<void(std::span<const CheckpointWriteEntry>)>& write);

/// A file of tests/data/checkpoint.
std::filesystem::path data_file(std::string_view name);

/// The values that attack a length, count, type, dimension or offset.
std::span<const uint64_t> attack_values();

/// `bytes` with `width` bytes at `at` replaced by the low bytes of `value`.
std::string patched(std::string bytes, size_t at, size_t width, uint64_t value);

/// `value` as `width` little-endian bytes.
std::string little_endian(uint64_t value, size_t width);

}  // namespace transformers::testing
