#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace transformers::hub {

/// A piece of a file that is fetched by one request; `done` counts its first bytes that are there.
struct Segment {
  int64_t begin = 0, end = 0, done = 0;
  [[nodiscard]] int64_t missing() const { return end - begin - done; }
};

/// A blob under way: `<blob>.<8 hex digits>.incomplete` beside its final name, as the Python client calls it. It has
/// the blob's size from the start, and behind that a table of what is there, so that a later process goes on where this
/// one stopped. Only one process ever writes a file: it carries the identity of its owner, and a file is taken over by
/// renaming it, after its owner let go of it or ended. Locks play no part in that; some file systems grant them to all.
class PartialFile {
 public:
  /// Takes over the fullest file that was left for the blob, when it may, or starts a new one. Throws OSError naming
  /// the folder when it cannot be written or has too little space.
  PartialFile(const std::filesystem::path& blob, int64_t size_bytes, int64_t segment_bytes, bool may_resume = true);
  /// Leaves the file to the next process when there is something in it, else removes it.
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }
  [[nodiscard]] int64_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] int64_t done_bytes() const;
  /// Whether some of it was there before this object.
  [[nodiscard]] bool is_resumed() const { return is_resumed_; }

  /// The next bytes of a segment. Throws OSError; ValueError when they would not fit.
  void append(size_t segment, std::span<const std::byte> bytes);
  /// Reads `[begin, begin + bytes.size())`.
  void read(int64_t begin, std::span<std::byte> bytes) const;
  /// The file gets its final name, after its bytes reached the disk. The check of its content is the caller's.
  void publish();
  /// Removes the file: its content is wrong.
  void discard();

 private:
  struct Found {};
  PartialFile(Found, const std::filesystem::path& blob, int64_t size_bytes, const std::filesystem::path& file);
  [[nodiscard]] bool take_over(const std::filesystem::path& found);
  void swap(PartialFile& other);
  [[nodiscard]] bool open_table();
  void adopt_fullest();
  void create(int64_t segment_bytes);
  void write_table() const;
  void write_owner(bool is_owned) const;
  void write_done(size_t segment);
  void write_at(int64_t offset, const void* bytes, size_t count) const;
  [[noreturn]] void fail(std::string_view what, int code) const;

  std::filesystem::path blob_, file_;
  int64_t size_bytes_ = 0;
  int descriptor_ = -1;
  bool is_resumed_ = false;
  std::vector<Segment> segments_;
  std::vector<int64_t> noted_;  // the counts of the table in the file
};

}  // namespace transformers::hub
