#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace transformers::detail {

inline constexpr std::string_view kFlaxChunkedArray = "__msgpack_chunked_array__";
inline constexpr int8_t kFlaxArray = 1, kFlaxComplex = 2, kFlaxScalar = 3;  // extension types
inline constexpr size_t kFlaxMostDepth = 128;                               // of maps in maps

/// A key as one segment of an entry's name, and a name as its keys: each other's inverse.
[[nodiscard]] std::string flax_segment(std::string_view key);
[[nodiscard]] std::vector<std::string> flax_keys(std::string_view name);

}  // namespace transformers::detail
