#include "transformers/checkpoint/detail/hdf5_types.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/varint.h"

namespace transformers::detail {
namespace {

constexpr int kFixedPoint = 0, kFloatingPoint = 1, kText = 3, kEnumeration = 8, kVariable = 9;

// One row per type that we exchange: what the class, the size and the properties of its message say.
struct IntegerRow {
  DataType dtype;
  uint32_t size;
  bool is_signed;
};
constexpr IntegerRow kIntegers[] = {
    {DataType::U8, 1, false},  {DataType::I8, 1, true},  {DataType::U16, 2, false}, {DataType::I16, 2, true},
    {DataType::U32, 4, false}, {DataType::I32, 4, true}, {DataType::U64, 8, false}, {DataType::I64, 8, true},
};

struct FloatRow {
  DataType dtype;
  uint32_t size;
  uint8_t exponent_at, exponent_bits, mantissa_bits;  // the mantissa begins at bit 0, the sign is the highest bit
  uint32_t bias;
};
constexpr FloatRow kFloats[] = {
    {DataType::F16, 2, 10, 5, 10, 15},
    {DataType::BF16, 2, 7, 8, 7, 127},
    {DataType::F32, 4, 23, 8, 23, 127},
    {DataType::F64, 8, 52, 11, 52, 1023},
};

constexpr std::string_view kClassNames[] = {
    "integers",     "floats",    "times",      "text",         "bit fields",
    "opaque bytes", "compounds", "references", "enumerations", "lists of variable length",
    "arrays"};

Hdf5Type read_integer(ByteReader& in, Hdf5Type type, uint32_t bits) {
  const auto offset = in.read<uint16_t>("a datatype"), precision = in.read<uint16_t>("a datatype");
  type.what = "integers of an unusual size";
  if (offset != 0 || precision != 8U * type.size) return type;
  for (const auto& row : kIntegers)
    if (row.size == type.size && row.is_signed == ((bits & 8) != 0)) {
      type.kind = Hdf5Type::Kind::Number;
      type.number = {.dtype = row.dtype, .is_big_endian = (bits & 1) != 0};
    }
  return type;
}

Hdf5Type read_float(ByteReader& in, Hdf5Type type, uint32_t bits) {
  const auto offset = in.read<uint16_t>("a datatype"), precision = in.read<uint16_t>("a datatype");
  const auto exponent_at = in.read<uint8_t>("a datatype"), exponent_bits = in.read<uint8_t>("a datatype");
  const auto mantissa_at = in.read<uint8_t>("a datatype"), mantissa_bits = in.read<uint8_t>("a datatype");
  const auto bias = in.read<uint32_t>("a datatype");
  type.what = "floats of an unusual layout";
  const uint32_t order = bits & 0x41, normalization = bits >> 4 & 3, sign_at = bits >> 8 & 255;
  if (order > 1 || normalization != 2 || offset != 0 || mantissa_at != 0 || precision != 8U * type.size) return type;
  for (const auto& row : kFloats)
    if (row.size == type.size && row.exponent_at == exponent_at && row.exponent_bits == exponent_bits &&
        row.mantissa_bits == mantissa_bits && row.bias == bias && sign_at == 8 * row.size - 1) {
      type.kind = Hdf5Type::Kind::Number;
      type.number = {.dtype = row.dtype, .is_big_endian = order == 1};
    }
  return type;
}

// What h5py makes of a bool: an enumeration of FALSE and TRUE over int8. Names are padded in versions 1 and 2.
Hdf5Type read_enumeration(ByteReader& in, Hdf5Type type, uint32_t bits, int version) {
  using namespace std::string_view_literals;
  type.what = "enumerations";
  if ((bits & 0xffff) != 2 || type.size != 1) return type;
  const auto base = in.read<uint8_t>("a datatype");
  static_cast<void>(in.take(11, "a datatype"));
  const auto members = version >= 3 ? "FALSE\0TRUE\0\0\1"sv : "FALSE\0\0\0TRUE\0\0\0\0\0\1"sv;
  if ((base & 15) != kFixedPoint || in.remaining() < members.size()) return type;
  if (in.text(members.size(), "a datatype") != members) return type;
  type.kind = Hdf5Type::Kind::Number;
  type.number = {.dtype = DataType::Bool};
  return type;
}

std::string number_head(int type_class, uint32_t bits, uint32_t size) {
  std::string out;
  append_little_endian(out, static_cast<uint64_t>(type_class | 1 << 4), 1);
  append_little_endian(out, bits, 3);
  append_little_endian(out, size, 4);
  append_little_endian(out, 0, 2);
  append_little_endian(out, 8 * size, 2);
  return out;
}

}  // namespace

Hdf5Type read_hdf5_type(ByteReader& in) {
  const auto head = in.read<uint32_t>("a datatype");
  const int type_class = head & 15, version = head >> 4 & 15;
  const uint32_t bits = head >> 8;
  Hdf5Type type{.size = in.read<uint32_t>("a datatype")};
  if (type_class == kFixedPoint) return read_integer(in, type, bits);
  if (type_class == kFloatingPoint) return read_float(in, type, bits);
  if (type_class == kEnumeration) return read_enumeration(in, type, bits, version);
  type.what = static_cast<size_t>(type_class) < std::size(kClassNames) ? kClassNames[type_class] : "an unknown class";
  if (type_class == kText) {
    type.kind = Hdf5Type::Kind::FixedText;
    type.is_space_padded = (bits & 15) == 2;
  }
  if (type_class == kVariable && (bits & 15) == 1 && type.size == 16) type.kind = Hdf5Type::Kind::VariableText;
  return type;
}

std::string hdf5_number_message(DataType dtype) {
  using namespace std::string_view_literals;
  for (const auto& row : kIntegers)
    if (row.dtype == dtype) return number_head(kFixedPoint, row.is_signed ? 8 : 0, row.size);
  for (const auto& row : kFloats) {
    if (row.dtype != dtype || dtype == DataType::BF16) continue;  // h5py has no dtype for the latter
    auto out = number_head(kFloatingPoint, 0x20 | (8 * row.size - 1) << 8, row.size);
    for (const uint8_t part : {row.exponent_at, row.exponent_bits, uint8_t{0}, row.mantissa_bits})
      append_little_endian(out, part, 1);
    append_little_endian(out, row.bias, 4);
    return out;
  }
  if (dtype != DataType::Bool) return {};
  std::string out("\x18\2\0\0\1\0\0\0", 8);
  return out + number_head(kFixedPoint, 8, 1) + std::string("FALSE\0\0\0TRUE\0\0\0\0\0\1"sv);
}

bool inflate_exactly(std::span<const std::byte> from, std::span<std::byte> to) {
  constexpr size_t kMost = std::numeric_limits<uInt>::max();
  if (from.size() > kMost || to.size() > kMost) return false;
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return false;
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(from.data()));
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = reinterpret_cast<Bytef*>(to.data());
  stream.avail_out = static_cast<uInt>(to.size());
  const int code = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  return code == Z_STREAM_END && stream.avail_out == 0;
}

void unshuffle(std::span<const std::byte> from, size_t element_bytes, std::span<std::byte> to) {
  const size_t count = from.size() / element_bytes;
  for (size_t k = 0; k < element_bytes; ++k)
    for (size_t i = 0; i < count; ++i) to[i * element_bytes + k] = from[k * count + i];
  std::copy(from.begin() + static_cast<std::ptrdiff_t>(count * element_bytes), from.end(),
            to.begin() + static_cast<std::ptrdiff_t>(count * element_bytes));
}

}  // namespace transformers::detail
