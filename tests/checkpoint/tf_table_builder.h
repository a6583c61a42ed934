#pragma once

#include <string>
#include <vector>

#include "transformers/checkpoint/detail/crc32c.h"
#include "transformers/checkpoint/detail/varint.h"

namespace transformers::testing {

/// A table of these blocks, stored as they are with right checksums: for what no writer would make. The index of blocks
/// names each `times` times.
inline std::string table_of(const std::vector<std::string>& blocks, char compression = 0, int times = 1) {
  std::string out, index;
  const auto append = [&](const std::string& block, char type) {
    std::string handle;
    detail::append_varint(handle, out.size());
    detail::append_varint(handle, block.size());
    const auto stored = block + type;
    out += stored;
    detail::append_little_endian(out, detail::masked_crc(detail::crc32c(std::as_bytes(std::span(stored)))), 4);
    return handle;
  };
  std::string key = "0";
  for (const auto& block : blocks) {
    const auto handle = append(block, compression);
    for (int i = 0; i < times; ++i, ++key[0])
      index += std::string{'\0', '\1', static_cast<char>(handle.size())} + key + handle;
  }
  std::string footer = append(std::string(4, '\0'), 0);
  footer += append(index + std::string(4, '\0'), 0);
  footer.resize(40);
  return out + footer + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
}

}  // namespace transformers::testing
