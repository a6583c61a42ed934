#include "transformers/checkpoint/detail/snappy.h"

#include <cstdint>

#include "transformers/checkpoint/detail/varint.h"

namespace transformers::detail {
namespace {

constexpr uint64_t kMostExpansion = 22;

// `size` bytes, little-endian, from the front of `in`.
std::optional<uint64_t> take_number(std::string_view& in, size_t size) {
  if (in.size() < size) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{static_cast<uint8_t>(in[i])} << (8 * i);
  in.remove_prefix(size);
  return value;
}

// Bytes as they are: lengths up to 60 stand in the tag, longer ones in one to four bytes behind it.
bool take_literal(std::string_view& in, unsigned tag, std::string& out, uint64_t most) {
  uint64_t length = tag >> 2;
  if (length >= 60) {
    const auto longer = take_number(in, static_cast<size_t>(length) - 59);
    if (!longer) return false;
    length = *longer;
  }
  ++length;
  if (length > in.size() || length > most - out.size()) return false;
  out.append(in.substr(0, length));
  in.remove_prefix(length);
  return true;
}

// A piece of the output so far, which may reach into itself.
bool take_copy(std::string_view& in, unsigned tag, std::string& out, uint64_t most) {
  const unsigned kind = tag & 3;
  const auto low = take_number(in, kind == 1 ? 1 : kind == 2 ? 2 : 4);
  if (!low) return false;
  const uint64_t length = kind == 1 ? (tag >> 2 & 7) + 4 : (tag >> 2) + 1;
  const uint64_t distance = kind == 1 ? (tag >> 5) << 8 | *low : *low;
  if (distance == 0 || distance > out.size() || length > most - out.size()) return false;
  for (uint64_t i = 0; i < length; ++i) out += out[out.size() - distance];
  return true;
}

}  // namespace

std::optional<std::string> expand_snappy(std::string_view block) {
  const auto size = take_varint(block);
  if (!size || *size > kMostExpansion * block.size()) return std::nullopt;
  std::string out;
  out.reserve(*size);
  while (!block.empty()) {
    const auto tag = static_cast<uint8_t>(block.front());
    block.remove_prefix(1);
    const bool is_good = (tag & 3) == 0 ? take_literal(block, tag, out, *size) : take_copy(block, tag, out, *size);
    if (!is_good) return std::nullopt;
  }
  if (out.size() != *size) return std::nullopt;
  return out;
}

}  // namespace transformers::detail
