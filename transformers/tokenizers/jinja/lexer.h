#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace transformers::jinja {

enum class TokenType : uint8_t {
  Data,
  VariableBegin,
  VariableEnd,
  BlockBegin,
  BlockEnd,
  Name,
  String,
  Integer,
  Float,
  Operator,
  End
};

/// A piece of the template. `text` views the source: a string with its quotes, an operator's characters, a name.
struct Token {
  TokenType type = TokenType::End;
  int line = 1;
  std::string_view text;
};

/// Throws ValueError naming the line of the template.
[[noreturn]] void fail_at(int line, std::string_view what);

/// `\r\n` and `\r` become `\n`; one newline at the very end is dropped.
[[nodiscard]] std::string normalize_newlines(std::string_view source);

/// Tokens of a normalised template, which must outlive them; comments, raw blocks and whitespace control are resolved.
[[nodiscard]] std::vector<Token> tokenize(std::string_view source);

/// The text that a string token stands for, escapes resolved as Python's `unicode-escape` does.
[[nodiscard]] std::string unescape(const Token& token);

}  // namespace transformers::jinja
