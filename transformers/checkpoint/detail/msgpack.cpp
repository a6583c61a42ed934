#include "transformers/checkpoint/detail/msgpack.h"

#include <bit>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {
namespace {

using Kind = MsgpackHead::Kind;

// The codes from 0xc4 on that are followed by a length, a count or a number of `width` bytes.
struct WideCode {
  uint8_t code;
  Kind kind;
  int width;
  bool is_signed = false;
  uint64_t fixed_size = 0;  // of an extension whose size is in the code
};
constexpr WideCode kWideCodes[] = {
    {0xc4, Kind::Binary, 1},
    {0xc5, Kind::Binary, 2},
    {0xc6, Kind::Binary, 4},
    {0xc7, Kind::Extension, 1},
    {0xc8, Kind::Extension, 2},
    {0xc9, Kind::Extension, 4},
    {0xca, Kind::Float, 4},
    {0xcb, Kind::Float, 8},
    {0xcc, Kind::Int, 1},
    {0xcd, Kind::Int, 2},
    {0xce, Kind::Int, 4},
    {0xcf, Kind::Int, 8},
    {0xd0, Kind::Int, 1, true},
    {0xd1, Kind::Int, 2, true},
    {0xd2, Kind::Int, 4, true},
    {0xd3, Kind::Int, 8, true},
    {.code = 0xd4, .kind = Kind::Extension, .width = 0, .fixed_size = 1},
    {.code = 0xd5, .kind = Kind::Extension, .width = 0, .fixed_size = 2},
    {.code = 0xd6, .kind = Kind::Extension, .width = 0, .fixed_size = 4},
    {.code = 0xd7, .kind = Kind::Extension, .width = 0, .fixed_size = 8},
    {.code = 0xd8, .kind = Kind::Extension, .width = 0, .fixed_size = 16},
    {0xd9, Kind::Text, 1},
    {0xda, Kind::Text, 2},
    {0xdb, Kind::Text, 4},
    {0xdc, Kind::List, 2},
    {0xdd, Kind::List, 4},
    {0xde, Kind::Map, 2},
    {0xdf, Kind::Map, 4},
};

double to_double(uint64_t bits, int width) {
  return width == 4 ? std::bit_cast<float>(static_cast<uint32_t>(bits)) : std::bit_cast<double>(bits);
}

void append_big_endian(std::string& out, uint64_t value, int width) {
  for (int i = width - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 255);
}

// Code of the smallest of up to three forms (8, 16, 32 bits) that holds the size, then the size; `codes` 0: no such
// form.
void append_sized(std::string& out, const uint8_t (&codes)[3], uint64_t size) {
  for (int i = 0; i < 3; ++i) {
    const int width = 1 << i;
    if (codes[i] == 0 || size >> (8 * width) != 0) continue;
    out += static_cast<char>(codes[i]);
    return append_big_endian(out, size, width);
  }
  throw ValueError(str("msgpack cannot hold ", size, " bytes or members in one value"));
}

}  // namespace

std::string_view kind_name(Kind kind) {
  constexpr std::string_view kNames[] = {"nil",   "a bool", "an integer", "a number",    "text",
                                         "bytes", "a list", "a map",      "an extension"};
  return kNames[static_cast<size_t>(kind)];
}

uint64_t MsgpackReader::big_endian(int width, std::string_view what) {
  uint64_t value = 0;
  for (const auto byte : in_.take(static_cast<uint64_t>(width), what)) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

// A member takes at least a byte, a pair two.
MsgpackHead MsgpackReader::checked(MsgpackHead head, std::string_view what) const {
  if (head.kind == Kind::List) static_cast<void>(in_.checked_count(head.size, 1, what));
  if (head.kind == Kind::Map) static_cast<void>(in_.checked_count(head.size, 2, what));
  return head;
}

MsgpackHead MsgpackReader::wide_head(uint8_t code, std::string_view what) {
  for (const auto& row : kWideCodes) {
    if (row.code != code) continue;
    MsgpackHead out{.kind = row.kind, .size = row.fixed_size};
    const uint64_t value = big_endian(row.width, what);
    if (row.kind == Kind::Float) {
      out.number = to_double(value, row.width);
    } else if (row.kind == Kind::Int) {
      if (!row.is_signed && value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        throw OSError(str(file_, ": ", what, " before byte ", position(), " is ", value, ", above 2^63"));
      const int unused = 64 - 8 * row.width;
      out.integer = row.is_signed ? static_cast<int64_t>(value << unused) >> unused : static_cast<int64_t>(value);
    } else if (row.width > 0) {
      out.size = value;
    }
    if (row.kind == Kind::Extension) out.extension = in_.read<int8_t>(what);
    return checked(out, what);
  }
  throw OSError(str(file_, ": ", what, " at byte ", position() - 1, " begins with the code ", uint64_t{code},
                    ", which msgpack does not have: the file is damaged or of another format"));
}

MsgpackHead MsgpackReader::head(std::string_view what) {
  const auto code = in_.read<uint8_t>(what);
  if (code < 0x80) return {.kind = Kind::Int, .integer = code};
  if (code < 0x90) return checked({.kind = Kind::Map, .size = code & 15U}, what);
  if (code < 0xa0) return checked({.kind = Kind::List, .size = code & 15U}, what);
  if (code < 0xc0) return {.kind = Kind::Text, .size = code & 31U};
  if (code == 0xc0) return {.kind = Kind::Nil};
  if (code == 0xc2 || code == 0xc3) return {.kind = Kind::Bool, .integer = code & 1};
  if (code >= 0xe0) return {.kind = Kind::Int, .integer = static_cast<int8_t>(code)};
  return wide_head(code, what);
}

MsgpackHead MsgpackReader::head(Kind kind, std::string_view what) {
  const uint64_t at = position();
  const auto found = head(what);
  if (found.kind != kind)
    throw OSError(
        str(file_, ": ", what, " at byte ", at, " is ", kind_name(found.kind), ", expected ", kind_name(kind)));
  return found;
}

std::string_view MsgpackReader::text(std::string_view what) { return in_.text(head(Kind::Text, what).size, what); }

void append_msgpack_map(std::string& out, uint64_t members) {
  if (members < 16) {
    out += static_cast<char>(0x80 | members);
  } else {
    append_sized(out, {0, 0xde, 0xdf}, members);
  }
}

void append_msgpack_list(std::string& out, uint64_t members) {
  if (members < 16) {
    out += static_cast<char>(0x90 | members);
  } else {
    append_sized(out, {0, 0xdc, 0xdd}, members);
  }
}

void append_msgpack_text(std::string& out, std::string_view text) {
  if (text.size() < 32) {
    out += static_cast<char>(0xa0 | text.size());
  } else {
    append_sized(out, {0xd9, 0xda, 0xdb}, text.size());
  }
  out += text;
}

void append_msgpack_int(std::string& out, int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  if (bits < 128) {
    out += static_cast<char>(bits);
  } else if (bits >> 32 == 0) {
    append_sized(out, {0xcc, 0xcd, 0xce}, bits);
  } else {
    out += static_cast<char>(0xcf);
    append_big_endian(out, bits, 8);
  }
}

void append_msgpack_binary_head(std::string& out, uint64_t size_bytes) {
  append_sized(out, {0xc4, 0xc5, 0xc6}, size_bytes);
}

void append_msgpack_extension_head(std::string& out, int8_t type, uint64_t size_bytes) {
  if (size_bytes > 0 && size_bytes <= 16 && std::has_single_bit(size_bytes)) {
    out += static_cast<char>(0xd4 + std::countr_zero(size_bytes));
  } else {
    append_sized(out, {0xc7, 0xc8, 0xc9}, size_bytes);
  }
  out += static_cast<char>(type);
}

}  // namespace transformers::detail
