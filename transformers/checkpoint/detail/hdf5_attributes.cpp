#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/hdf5.h"

namespace transformers::detail {
namespace {

constexpr std::string_view kWhat = "an attribute";

uint64_t padded(uint64_t size, int version) { return version == 1 ? (size + 7) / 8 * 8 : size; }

// Dataspace: scalar, a list, or nothing.
uint64_t element_total(ByteReader& in) {
  const auto version = in.read<uint8_t>(kWhat), rank = in.read<uint8_t>(kWhat);
  static_cast<void>(in.read<uint8_t>(kWhat));
  const auto type = in.read<uint8_t>(kWhat);
  if (version == 1) static_cast<void>(in.read<uint32_t>(kWhat));
  if (version == 2 && type == 2) return 0;
  uint64_t total = 1;
  for (int i = 0; i < rank; ++i)
    if (__builtin_mul_overflow(total, in.read<uint64_t>(kWhat), &total)) return kHdf5Undefined;
  return total;
}

std::string_view unpadded(std::string_view text, bool is_space_padded) {
  const auto last = text.find_last_not_of(is_space_padded ? ' ' : '\0');
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

Hdf5File::Attribute Hdf5File::read_attribute(const Message& message) {
  auto in = at(message.offset, message.size, kWhat);
  const int version = in.read<uint8_t>(kWhat);
  const auto flags = in.read<uint8_t>(kWhat);
  if (version < 1 || version > 3) fail(str("an attribute at byte ", message.offset, " is of an unknown version"));
  const uint64_t name_bytes = in.read<uint16_t>(kWhat), type_bytes = in.read<uint16_t>(kWhat),
                 space_bytes = in.read<uint16_t>(kWhat);
  if (version == 3) static_cast<void>(in.read<uint8_t>(kWhat));  // encoding of the name
  Attribute out;
  out.name = in.text(padded(name_bytes, version), kWhat);
  out.name = out.name.substr(0, out.name.find('\0'));
  if (version > 1 && (flags & 3) != 0) return out;  // its type is described elsewhere, so it is none of ours
  auto type_in = in;
  static_cast<void>(in.take(padded(type_bytes, version), kWhat));
  out.type = read_hdf5_type(type_in);
  auto space_in = in;
  static_cast<void>(in.take(padded(space_bytes, version), kWhat));
  out.count = element_total(space_in);
  out.offset = in.position();
  out.size = in.remaining();
  return out;
}

std::optional<std::vector<std::string_view>> Hdf5File::texts(uint64_t object, std::string_view attribute) {
  const auto found = messages(object);
  for (const auto& message : found) {
    if (message.type != kHdf5AttributeMessage || message.is_shared) continue;
    const auto value = read_attribute(message);
    if (value.name != attribute) continue;
    const bool is_fixed = value.type.kind == Hdf5Type::Kind::FixedText;
    std::vector<std::string_view> out;
    if (value.count == 0) return out;  // an empty list has no type: NumPy calls it float64
    if (!is_fixed && value.type.kind != Hdf5Type::Kind::VariableText) return std::nullopt;
    if (value.type.size == 0 || value.count > value.size / value.type.size)
      fail(str("the attribute ", quote(attribute), " has ", value.count, " texts of ", value.type.size,
               " bytes in the ", value.size, " bytes of its value"));
    spend(value.count);
    auto in = at(value.offset, value.size, kWhat);
    out.reserve(value.count);
    for (uint64_t i = 0; i < value.count; ++i)
      out.push_back(is_fixed ? unpadded(in.text(value.type.size, kWhat), value.type.is_space_padded) : heap_text(in));
    return out;
  }
  for (const auto& message : found)
    if (message.type == kHdf5AttributeInfo) refuse_heap(message, 2, "attributes");
  return std::nullopt;
}

// A text of variable length is a length and a place in a global heap, a collection of numbered pieces.
std::string_view Hdf5File::heap_text(ByteReader& reference) {
  const uint64_t size = reference.read<uint32_t>(kWhat);
  const auto collection = reference.read<uint64_t>(kWhat);
  const auto index = reference.read<uint32_t>(kWhat);
  if (size == 0) return {};
  const auto [pieces, is_new] = heaps_.try_emplace(collection);
  if (is_new) {
    auto in = at(collection, 16, "a heap of texts");
    if (in.text(4, kWhat) != "GCOL") fail(str("no heap of texts is at byte ", collection));
    static_cast<void>(in.read<uint32_t>(kWhat));  // version
    const auto total = in.read<uint64_t>(kWhat);
    in = at(collection, std::max<uint64_t>(total, 16), "a heap of texts");
    static_cast<void>(in.take(16, kWhat));
    while (in.remaining() >= 16) {
      spend(16);
      const auto number = in.read<uint16_t>(kWhat);
      static_cast<void>(in.take(6, kWhat));
      const auto bytes_here = in.read<uint64_t>(kWhat);
      if (number == 0) break;  // what is left is free
      pieces->second.emplace(number, in.text(bytes_here, kWhat));
      static_cast<void>(in.take(std::min(in.remaining(), (8 - bytes_here % 8) % 8), kWhat));
    }
  }
  const auto found = pieces->second.find(index);
  if (found == pieces->second.end() || found->second.size() < size)
    fail(str("a text of ", size, " bytes is not in the heap of texts at byte ", collection));
  return found->second.substr(0, size);
}

}  // namespace transformers::detail
