#pragma once

#include <cstdint>
#include <iterator>

namespace transformers::detail {

// What the reader and the writer of GGUF must agree on.

inline constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF"
inline constexpr uint32_t kGgufMostDims = 4;
inline constexpr uint64_t kGgufMostKeyBytes = 65535;
inline constexpr uint64_t kGgufDefaultAlignment = 32, kGgufMostAlignment = 1 << 20;
inline constexpr int kGgufMostArrayDepth = 4;

enum GgufValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
  kValueTypes,
};

// The fewest bytes that one value takes.
inline constexpr uint64_t kGgufLeastBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
static_assert(std::size(kGgufLeastBytes) == kValueTypes);

// A Json value takes some 40 bytes, a list element in the file down to one. These bounds, on the elements of all lists
// of a file, keep the memory of a hostile one below ten times its size, or 20 MB. The largest vocabularies have about a
// million tokens, with as many scores, types and merges; the only long list of bytes, the character map of a unigram
// tokenizer, has some 250,000.
inline constexpr uint64_t kGgufMostNarrow = uint64_t{1} << 19;  // numbers of one or two bytes, bools
inline constexpr uint64_t kGgufMostWide = uint64_t{1} << 21;    // other numbers
inline constexpr uint64_t kGgufMostOther = uint64_t{1} << 23;   // strings and lists

}  // namespace transformers::detail
