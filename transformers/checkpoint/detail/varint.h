#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace transformers::detail {

/// A number of seven bits per byte, lowest first, from the front of `in`; empty, and `in` as it was, when it is cut
/// short or exceeds 64 bits.
[[nodiscard]] inline std::optional<uint64_t> take_varint(std::string_view& in) {
  uint64_t value = 0;
  for (size_t i = 0; i < in.size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>(in[i]);
    if (i == 9 && byte > 1) return std::nullopt;
    value |= uint64_t{byte & 127U} << (7 * i);
    if (byte < 128) {
      in.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

inline void append_varint(std::string& out, uint64_t value) {
  for (; value > 127; value >>= 7) out += static_cast<char>(value | 128);
  out += static_cast<char>(value);
}

/// The lowest `width` bytes of a number, lowest first; zeros beyond the eighth.
inline void append_little_endian(std::string& out, uint64_t value, int width) {
  for (; width > 0; --width, value >>= 8) out += static_cast<char>(value & 255);
}

}  // namespace transformers::detail
