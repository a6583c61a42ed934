#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace transformers {

/// Bytes, or text such as "5MB" (decimal units), "1.5GiB" (binary units).
using ByteSize = std::variant<int64_t, std::string>;

/// Bytes meant by `size`: integer as is; text with TB GB MB KB = 10^12 … 10^3 or TiB GiB MiB KiB, any case, blanks and
/// fractions allowed. No unit, an unknown one, zero or less: ValueError naming the text and the units.
[[nodiscard]] int64_t parse_size(const ByteSize& size);

}  // namespace transformers
