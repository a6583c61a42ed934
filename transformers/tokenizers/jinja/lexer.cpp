#include "transformers/tokenizers/jinja/lexer.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

void fail_at(int line, std::string_view what) { throw ValueError(str("chat template, line ", line, ": ", what)); }

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    out += source[i] == '\r' ? '\n' : source[i];
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

namespace {

constexpr auto kNone = std::string_view::npos;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) lex_data();
    emit(TokenType::End, {});
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  [[nodiscard]] bool starts(std::string_view text) const { return source_.substr(at_).starts_with(text); }
  void emit(TokenType type, std::string_view text) { tokens_.push_back({type, line_, text}); }

  void advance_to(size_t end) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<ptrdiff_t>(at_), source_.begin() + static_cast<ptrdiff_t>(end), '\n'));
    at_ = end;
  }
  // Moves behind a token that leaves or stays out of tags; lstrip needs to know whether it ended a line.
  void advance_tag(size_t end) {
    line_starting_ = end > 0 && source_[end - 1] == '\n';
    advance_to(end);
  }
  [[nodiscard]] size_t skip_space(size_t from) const {
    return source_.size() - strip_left(source_.substr(from)).size();
  }

  void lex_data();
  void lex_comment();
  void lex_raw(size_t body);
  void lex_tag(bool is_block);
  bool lex_end(bool is_block);
  void lex_inside();
  [[nodiscard]] size_t raw_begin() const;
  [[nodiscard]] std::string_view strip_data(std::string_view text, char sign, bool is_variable) const;
  [[nodiscard]] size_t end_of_tag(size_t from, std::string_view closing) const;
  [[nodiscard]] size_t digits(size_t from) const;
  [[nodiscard]] size_t float_end() const;
  [[nodiscard]] size_t integer_end() const;
  [[nodiscard]] size_t name_end() const;
  [[nodiscard]] size_t string_end() const;
  void lex_operator();

  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::string brackets_ = {};
  std::vector<Token> tokens_ = {};
};

std::string_view Lexer::strip_data(std::string_view text, char sign, bool is_variable) const {
  if (sign == '-') return strip_right(text);
  if (sign == '+' || is_variable) return text;
  const size_t newline = text.rfind('\n');
  const size_t start = newline == kNone ? 0 : newline + 1;
  if ((start > 0 || line_starting_) && strip_left(text.substr(start)).empty()) return text.substr(0, start);
  return text;
}

void Lexer::lex_data() {
  size_t tag = at_;
  while ((tag = source_.find('{', tag)) != kNone) {
    const char next = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
    if (next == '{' || next == '%' || next == '#') break;
    ++tag;
  }
  if (tag == kNone) {
    emit(TokenType::Data, source_.substr(at_));
    return advance_to(source_.size());
  }
  const char kind = source_[tag + 1];
  const char sign =
      tag + 2 < source_.size() && (source_[tag + 2] == '-' || source_[tag + 2] == '+') ? source_[tag + 2] : '\0';
  const auto text = strip_data(source_.substr(at_, tag - at_), sign, kind == '{');
  if (!text.empty()) emit(TokenType::Data, text);
  advance_to(tag);
  if (kind == '%')
    if (const size_t body = raw_begin(); body != kNone) return lex_raw(body);
  advance_to(tag + (sign ? 3 : 2));
  if (kind == '#') return lex_comment();
  lex_tag(kind == '%');
}

// Where the text behind `{% raw %}` starts, when that is what stands here.
size_t Lexer::raw_begin() const {
  size_t at = at_ + 2;
  if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
  at = skip_space(at);
  if (!source_.substr(at).starts_with("raw")) return kNone;
  at = skip_space(at + 3);
  if (source_.substr(at).starts_with("-%}")) return skip_space(at + 3);
  return source_.substr(at).starts_with("%}") ? at + 2 : kNone;
}

// Behind the closing mark at `from`: `-` before it eats whitespace, `+` keeps the newline, else one newline goes.
size_t Lexer::end_of_tag(size_t from, std::string_view closing) const {
  const auto rest = source_.substr(from);
  if (rest.starts_with('-') && rest.substr(1).starts_with(closing)) return skip_space(from + 1 + closing.size());
  if (rest.starts_with('+') && rest.substr(1).starts_with(closing)) return from + 1 + closing.size();
  if (!rest.starts_with(closing)) return kNone;
  const size_t end = from + closing.size();
  return end < source_.size() && source_[end] == '\n' ? end + 1 : end;
}

void Lexer::lex_raw(size_t body) {
  advance_tag(body);
  if (at_ == source_.size()) return;  // the reference minds only a raw block that has text
  for (size_t tag = at_; (tag = source_.find("{%", tag)) != kNone; tag += 2) {
    size_t at = tag + 2;
    const char sign = at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : '\0';
    at = skip_space(at + (sign ? 1 : 0));
    if (!source_.substr(at).starts_with("endraw")) continue;
    const size_t end = end_of_tag(skip_space(at + 6), "%}");
    if (end == kNone) continue;
    const auto text = strip_data(source_.substr(at_, tag - at_), sign, false);
    if (!text.empty()) emit(TokenType::Data, text);
    return advance_tag(end);
  }
  fail_at(line_, "expected {% endraw %} before the end of the template");
}

void Lexer::lex_comment() {
  const size_t close = source_.find("#}", at_);
  if (close == kNone) fail_at(line_, "expected '#}', the end of a comment, before the end of the template");
  const bool has_sign = close > at_ && (source_[close - 1] == '-' || source_[close - 1] == '+');
  advance_tag(end_of_tag(has_sign ? close - 1 : close, "#}"));
}

void Lexer::lex_tag(bool is_block) {
  emit(is_block ? TokenType::BlockBegin : TokenType::VariableBegin, {});
  while (at_ < source_.size()) {
    if (brackets_.empty() && lex_end(is_block)) return;
    lex_inside();
  }
}

bool Lexer::lex_end(bool is_block) {
  size_t end = kNone;
  if (is_block)
    end = end_of_tag(at_, "%}");
  else if (starts("-}}"))
    end = skip_space(at_ + 3);
  else if (starts("}}"))
    end = at_ + 2;
  if (end == kNone) return false;
  emit(is_block ? TokenType::BlockEnd : TokenType::VariableEnd, source_.substr(at_, 2));
  advance_tag(end);
  return true;
}

// Digits with single underscores between them.
size_t Lexer::digits(size_t from) const {
  size_t at = from;
  while (at < source_.size() && (is_digit(source_[at]) || (source_[at] == '_' && at > from && source_[at - 1] != '_' &&
                                                           at + 1 < source_.size() && is_digit(source_[at + 1]))))
    ++at;
  return at;
}

size_t Lexer::float_end() const {
  if (at_ > 0 && source_[at_ - 1] == '.') return kNone;
  const size_t whole = digits(at_);
  if (whole == at_) return kNone;
  size_t end = whole;
  if (end < source_.size() && source_[end] == '.') {
    const size_t fraction = digits(end + 1);
    if (fraction > end + 1) end = fraction;
  }
  if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
    const size_t last = digits(exponent);
    if (last > exponent) return last;
  }
  return end > whole ? end : kNone;
}

size_t Lexer::integer_end() const {
  if (!is_digit(peek())) return kNone;
  if (peek() != '0') return digits(at_);
  const char base = static_cast<char>(peek(1) | 0x20);
  const auto is_base_digit = [&](char c) {
    if (base == 'x') return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
    return base == 'b' ? c == '0' || c == '1' : base == 'o' ? c >= '0' && c <= '7' : c == '0';
  };
  const bool prefixed = base == 'x' || base == 'b' || base == 'o';
  const size_t start = at_ + (prefixed ? 2 : 1);
  size_t at = start;
  while (at < source_.size()) {
    const size_t step = source_[at] == '_' ? 1 : 0;
    if (at + step >= source_.size() || !is_base_digit(source_[at + step])) break;
    at += step + 1;
  }
  return prefixed && at == start ? at_ + 1 : at;
}

size_t Lexer::name_end() const {
  size_t at = at_;
  while (at < source_.size()) {
    size_t next = at;
    if (!is_word(decode(source_, next)) && !is_identifier(str("_", source_.substr(at, next - at)))) break;
    at = next;
  }
  return at;
}

size_t Lexer::string_end() const {
  for (size_t at = at_ + 1; at < source_.size(); ++at) {
    if (source_[at] == '\\')
      ++at;
    else if (source_[at] == peek())
      return at + 1;
  }
  return kNone;
}

void Lexer::lex_inside() {
  if (const size_t end = skip_space(at_); end > at_) return advance_to(end);
  const auto take = [&](TokenType type, size_t end) {
    emit(type, source_.substr(at_, end - at_));
    advance_to(end);
  };
  if (is_digit(peek())) {
    if (const size_t end = float_end(); end != kNone) return take(TokenType::Float, end);
    return take(TokenType::Integer, integer_end());
  }
  if (const size_t end = name_end(); end > at_) {
    if (!is_identifier(source_.substr(at_, end - at_)))
      fail_at(line_, str("expected a name, found ", quote(source_.substr(at_, end - at_))));
    return take(TokenType::Name, end);
  }
  if (peek() == '\'' || peek() == '"')
    if (const size_t end = string_end(); end != kNone) return take(TokenType::String, end);
  lex_operator();
}

void Lexer::lex_operator() {
  constexpr std::string_view kPairs[] = {"//", "**", "==", "!=", ">=", "<="};
  const auto rest = source_.substr(at_);
  const bool pair = std::any_of(std::begin(kPairs), std::end(kPairs), [&](auto op) { return rest.starts_with(op); });
  if (!pair && std::string_view("+-/*%~[](){}><=.:|,;").find(peek()) == kNone) {
    size_t end = 0;
    decode(rest, end);
    fail_at(line_, str("unexpected character ", quote(rest.substr(0, end))));
  }
  const char c = peek();
  if (c == '(' || c == '[' || c == '{') brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
  if (c == ')' || c == ']' || c == '}') {
    if (brackets_.empty()) fail_at(line_, str("unexpected '", c, "'"));
    if (brackets_.back() != c) fail_at(line_, str("expected '", brackets_.back(), "', found '", c, "'"));
    brackets_.pop_back();
  }
  emit(TokenType::Operator, rest.substr(0, pair ? 2 : 1));
  advance_to(at_ + (pair ? 2 : 1));
}

char simple_escape(char c) {
  constexpr std::string_view kFrom = "abfnrtv\\'\"", kTo = "\a\b\f\n\r\t\v\\'\"";
  const size_t found = kFrom.find(c);
  return found == kNone ? '\0' : kTo[found];
}

// `\x41`, `\u0041`, `\U00000041`: `at` stands behind the letter.
char32_t hex_escape(const Token& token, std::string_view text, size_t& at, size_t count) {
  char32_t c = 0;
  for (size_t i = 0; i < count; ++i, ++at) {
    const char digit = at < text.size() ? static_cast<char>(text[at] | 0x20) : '\0';
    const bool letter = digit >= 'a' && digit <= 'f';
    if (!letter && (at >= text.size() || !is_digit(text[at])))
      fail_at(token.line, str("expected ", count, " hexadecimal digits in the escape of a string"));
    c = c * 16 + static_cast<char32_t>(letter ? digit - 'a' + 10 : text[at] - '0');
  }
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) fail_at(token.line, "a string's escape names no character");
  return c;
}

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

// Python encodes characters beyond ASCII as escapes first, so that a backslash in front of one escapes that escape.
static void escape_wide(std::string& out, char32_t c) {
  constexpr char kHex[] = "0123456789abcdef";
  const int count = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  out += count == 2 ? "\\x" : count == 4 ? "\\u" : "\\U";
  for (int shift = 4 * (count - 1); shift >= 0; shift -= 4) out += kHex[c >> shift & 15];
}

std::string unescape(const Token& token) {
  const auto text = token.text.substr(1, token.text.size() - 2);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '\\' || at + 1 >= text.size()) {
      out += text[at++];
      continue;
    }
    const char c = text[++at];
    if (static_cast<unsigned char>(c) >= 0x80) {
      escape_wide(out, decode(text, at));
      continue;
    }
    ++at;
    if (const char plain = simple_escape(c)) {
      out += plain;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      encode(out, hex_escape(token, text, at, c == 'x' ? 2 : c == 'u' ? 4 : 8));
    } else if (c >= '0' && c <= '7') {
      char32_t value = static_cast<char32_t>(c - '0');
      for (int i = 0; i < 2 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++i)
        value = value * 8 + static_cast<char32_t>(text[at++] - '0');
      encode(out, value);
    } else if (c == 'N') {
      fail_at(token.line, "escapes by character name are not supported: write the character itself");
    } else if (c != '\n') {
      (out += '\\') += c;
    }
  }
  return out;
}

}  // namespace transformers::jinja
