#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace transformers::jinja {

/// Text is UTF-8 and behaves as Python's `str`: indices, lengths and character classes are those of code points.
/// A byte that starts no well-formed sequence counts as one code point of its own, so no input can run past its end.

/// The code point at byte `at`, which moves behind it.
char32_t decode(std::string_view text, size_t& at);
void encode(std::string& out, char32_t c);
[[nodiscard]] size_t count_points(std::string_view text);
/// Byte offset of code point `index`; the size of `text` when it has fewer.
[[nodiscard]] size_t byte_offset(std::string_view text, size_t index);

[[nodiscard]] bool is_space(char32_t c);
[[nodiscard]] bool is_line_break(char32_t c);
[[nodiscard]] bool is_word(char32_t c);
[[nodiscard]] bool is_printable(char32_t c);
[[nodiscard]] bool is_identifier(std::string_view text);

[[nodiscard]] std::string upper(std::string_view text);
[[nodiscard]] std::string lower(std::string_view text);
[[nodiscard]] std::string fold(std::string_view text);
[[nodiscard]] std::string title(std::string_view text);
[[nodiscard]] std::string capitalize(std::string_view text);
[[nodiscard]] std::string swap_case(std::string_view text);

/// Python's str.is…() for `what`: "alnum", "alpha", "decimal", "digit", "lower", "numeric", "space", "title", "upper".
[[nodiscard]] bool is_class(std::string_view text, std::string_view what);

/// Spaces as Python's strip(): both ends, left or right.
[[nodiscard]] std::string_view strip_left(std::string_view text);
[[nodiscard]] std::string_view strip_right(std::string_view text);

/// Position of `needle` at or after byte `from`, in linear time whatever the two hold; npos when absent.
[[nodiscard]] size_t find_bytes(std::string_view text, std::string_view needle, size_t from = 0);

}  // namespace transformers::jinja
