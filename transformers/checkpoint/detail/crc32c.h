#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace transformers::detail {

/// CRC-32C (Castagnoli), continued from `before`, the checksum of what came earlier.
[[nodiscard]] uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);
/// The same without the processor's own instruction; for processors that lack it, and for tests.
[[nodiscard]] uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t before = 0);

/// The form in which tables and bundles store it: a checksum of data that holds checksums is weak, so it is disguised.
[[nodiscard]] constexpr uint32_t masked_crc(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }

}  // namespace transformers::detail
