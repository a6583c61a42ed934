#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "transformers/tokenizers/detail/unicode_tables.h"

namespace transformers::detail {

/// Classes of a code point as bits; see CodePointClass.
[[nodiscard]] uint32_t classes_of(char32_t c);
[[nodiscard]] constexpr uint32_t bit(CodePointClass which) { return 1U << static_cast<unsigned>(which); }
[[nodiscard]] inline bool is(char32_t c, CodePointClass which) { return (classes_of(c) & bit(which)) != 0; }
inline constexpr uint32_t kLetterBits = bit(CodePointClass::Lu) | bit(CodePointClass::Ll) | bit(CodePointClass::Lt) |
                                        bit(CodePointClass::Lm) | bit(CodePointClass::Lo);

/// ASCII punctuation or Unicode punctuation, as the BERT and Punctuation pre-tokenizers define it.
[[nodiscard]] inline bool is_punctuation(char32_t c) { return is(c, CodePointClass::Punctuation); }
[[nodiscard]] inline bool is_space(char32_t c) { return is(c, CodePointClass::Space); }

/// A code point and its bytes; `text` must be well-formed UTF-8 with a character at `at`.
struct Decoded {
  char32_t c = 0;
  uint32_t size = 0;
};
[[nodiscard]] inline Decoded decode_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3FU), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3FU) << 12 | (byte(2) & 0x3FU) << 6 | (byte(3) & 0x3FU), 4};
}
[[nodiscard]] inline bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }
/// Writes at most four bytes; the number written.
uint32_t encode_utf8(char32_t c, char* out);
void append_utf8(std::string& out, char32_t c);
[[nodiscard]] bool is_ascii(std::string_view text);
[[nodiscard]] int64_t count_code_points(std::string_view text);
/// Replaces each ill-formed part by U+FFFD, as Rust's `from_utf8_lossy`.
[[nodiscard]] std::string utf8_lossy(std::string_view bytes);

/// Lower case of one character: one or two code points.
struct CaseImage {
  char32_t c[2] = {};
  uint32_t size = 0;
};
[[nodiscard]] CaseImage lower_case(char32_t c);

/// Data of the normalisation forms; characters newer than the reference's Unicode version count as inert.
[[nodiscard]] std::u32string decompose(char32_t c, bool compatible);
[[nodiscard]] uint8_t combining_class(char32_t c);
/// The composition of two characters, or 0.
[[nodiscard]] char32_t compose(char32_t a, char32_t b);

/// The byte alphabet of byte-level BPE.
[[nodiscard]] char32_t byte_to_char(uint8_t byte);
/// The byte that `c` stands for in the byte alphabet, or -1.
[[nodiscard]] int char_to_byte(char32_t c);
/// The bytes that a text of the byte alphabet stands for; false when another character occurs.
[[nodiscard]] bool byte_alphabet_to_bytes(std::string_view text, std::string& out);

}  // namespace transformers::detail
