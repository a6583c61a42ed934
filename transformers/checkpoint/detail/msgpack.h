#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "transformers/checkpoint/detail/byte_reader.h"

namespace transformers::detail {

/// The head of one msgpack value. What has a length is followed by that many bytes, a list by `size` values, a map by
/// `size` pairs.
struct MsgpackHead {
  enum class Kind { Nil, Bool, Int, Float, Text, Binary, List, Map, Extension };
  Kind kind = Kind::Nil;
  uint64_t size = 0;     // bytes of Text, Binary, Extension; members of List and Map
  int64_t integer = 0;   // of Int and Bool
  double number = 0;     // of Float
  int8_t extension = 0;  // application's type number
};

/// What a value is called in messages: "a map".
[[nodiscard]] std::string_view kind_name(MsgpackHead::Kind kind);

/// Reads heads and the bytes behind them, each step checked against what remains. Counts are refused when their members
/// cannot fit, so that a caller may loop over them. Throws OSError naming file and byte.
class MsgpackReader {
 public:
  MsgpackReader(std::span<const std::byte> bytes, const std::filesystem::path& file) : in_(bytes, file), file_(file) {}

  [[nodiscard]] MsgpackHead head(std::string_view what);
  /// A head of the given kind; anything else is refused.
  [[nodiscard]] MsgpackHead head(MsgpackHead::Kind kind, std::string_view what);
  [[nodiscard]] std::string_view text(std::string_view what);
  [[nodiscard]] uint64_t position() const { return in_.position(); }
  [[nodiscard]] uint64_t remaining() const { return in_.remaining(); }
  [[nodiscard]] std::string_view take_text(uint64_t size_bytes, std::string_view what) {
    return in_.text(size_bytes, what);
  }
  [[nodiscard]] std::span<const std::byte> take(uint64_t size_bytes, std::string_view what) {
    return in_.take(size_bytes, what);
  }

 private:
  [[nodiscard]] uint64_t big_endian(int width, std::string_view what);
  [[nodiscard]] MsgpackHead wide_head(uint8_t code, std::string_view what);
  [[nodiscard]] MsgpackHead checked(MsgpackHead head, std::string_view what) const;

  ByteReader in_;
  const std::filesystem::path& file_;
};

/// Heads as Python's msgpack writes them: the shortest form that holds the value.
void append_msgpack_map(std::string& out, uint64_t members);
void append_msgpack_list(std::string& out, uint64_t members);
void append_msgpack_text(std::string& out, std::string_view text);
void append_msgpack_int(std::string& out, int64_t value);  // 0 or more
void append_msgpack_binary_head(std::string& out, uint64_t size_bytes);
void append_msgpack_extension_head(std::string& out, int8_t type, uint64_t size_bytes);

}  // namespace transformers::detail
