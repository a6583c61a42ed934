#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "transformers/tokenizers/jinja/value.h"

namespace transformers::jinja {

/// What filters and methods on text share; all as the methods of Python's `str`.

/// `set` null: whitespace.
[[nodiscard]] std::string_view strip_text(Interpreter& in, std::string_view text, const std::string* set, bool left,
                                          bool right);
/// `separator` null: runs of whitespace. `most` splits, all when negative.
[[nodiscard]] std::vector<Value> split_text(Interpreter& in, std::string_view text, const std::string* separator,
                                            int64_t most);
[[nodiscard]] std::vector<Value> rsplit_text(Interpreter& in, std::string_view text, const std::string* separator,
                                             int64_t most);
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
[[nodiscard]] std::string replace_text(Interpreter& in, std::string_view text, std::string_view from,
                                       std::string_view to, int64_t most);
[[nodiscard]] size_t find_last(Interpreter& in, std::string_view text, std::string_view needle);
/// Fills up to `width` code points; `align` is `<`, `>` or `^`.
[[nodiscard]] std::string pad_text(Interpreter& in, std::string_view text, int64_t width, char align,
                                   std::string_view fill);

}  // namespace transformers::jinja
