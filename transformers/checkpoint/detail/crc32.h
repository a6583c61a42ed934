#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace transformers::detail {

/// The CRC-32 of zip archives over `bytes`, continued from `crc` (0 at the start).
[[nodiscard]] uint32_t crc32(std::span<const std::byte> bytes, uint32_t crc = 0);

/// The same, one table lookup per byte: what the fast path is tested against, and used where there is none.
[[nodiscard]] uint32_t crc32_portable(std::span<const std::byte> bytes, uint32_t crc = 0);

}  // namespace transformers::detail
