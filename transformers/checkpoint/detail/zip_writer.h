#pragma once

#include <span>
#include <string>
#include <string_view>

#include "transformers/base/files.h"

namespace transformers::detail {

/// Writes a zip archive of stored (uncompressed) entries front to back; nothing is sought. Uses zip64 where a number
/// needs it.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& file) : file_(file) {}

  /// Appends an entry whose content begins at a multiple of 64 bytes, as torch.save lays it out for mapping.
  void add(std::string_view name, std::span<const std::byte> content);
  /// Writes the directory; nothing may be added after it.
  void finish();

 private:
  void write(std::string_view text);

  AtomicFile& file_;
  uint64_t position_ = 0, count_ = 0;
  std::string directory_;
};

}  // namespace transformers::detail
