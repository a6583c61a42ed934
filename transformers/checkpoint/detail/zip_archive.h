#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "transformers/base/files.h"

namespace transformers::detail {

/// One member of a zip archive as the central directory describes it.
struct ZipEntry {
  std::string_view name = {};  // inside the mapping
  uint64_t header_offset = 0;  // of its local header
  uint64_t size_bytes = 0;     // in the archive
  uint32_t crc = 0;            // CRC-32 of the content
  bool is_plain = true;        // stored: neither compressed nor encrypted
};

/// Reads the directory of a zip archive, zip64 included. Throws OSError naming the file and the member.
class ZipArchive {
 public:
  explicit ZipArchive(std::shared_ptr<const MappedFile> mapped);

  [[nodiscard]] const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The member called `name`, or null.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const;
  /// Where the content of a member begins in the file; all of it lies inside. Throws OSError for a compressed one.
  [[nodiscard]] uint64_t content_offset(const ZipEntry& entry) const;
  [[nodiscard]] std::span<const std::byte> content(const ZipEntry& entry) const;
  /// Reads every member and compares its CRC-32.
  void verify() const;

 private:
  struct Directory {
    uint64_t offset = 0, size_bytes = 0, count = 0;
  };
  [[noreturn]] void fail(std::string_view reason) const;
  [[nodiscard]] std::string_view text(uint64_t offset, uint64_t size_bytes, std::string_view what) const;
  [[nodiscard]] Directory find_directory() const;
  [[nodiscard]] Directory find_directory64(uint64_t locator) const;
  [[nodiscard]] ZipEntry read_entry(uint64_t& at) const;

  std::shared_ptr<const MappedFile> mapped_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, size_t> index_;
};

}  // namespace transformers::detail
