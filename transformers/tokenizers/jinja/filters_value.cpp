#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

Value absolute(Call& c) {
  if (c.self.is(Kind::Float)) return Value(std::abs(c.self.number()));
  if (!c.self.is_integral()) c.in.fail(str("expected a number, found ", type_name(c.self)));
  return negate(c.in, c.self, c.self.integer() < 0);
}

Value attribute(Call& c) {
  const std::string name = c.text(0, "");
  Value value = get_attribute(c.in, c.self, name, nullptr);
  // An entry of a mapping is no attribute; methods are, and entries never hide them.
  if (c.self.is(Kind::Dict) && !find_method(c.self, name)) return Value::undefined();
  return value;
}

Value fallback(Call& c) {
  const bool replace = c.self.is_undefined() || (c.flag(1) && !truth(c.in, c.self));
  return !replace ? c.self : c.has(0) ? c.args[0] : c.in.text("");
}

// Digits with single underscores between them, which int() and float() accept; nullopt when misplaced.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  const auto is_word_char = [&](size_t i) {
    return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i]));
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_')
      out += text[i];
    else if (i == 0 || !is_word_char(i - 1) || !is_word_char(i + 1))
      return std::nullopt;
  }
  return out;
}

std::optional<double> parse_float(std::string_view raw) {
  const auto cleaned = without_underscores(strip_left(strip_right(raw)));
  if (!cleaned || cleaned->empty() || cleaned->find_first_of("xXpP(") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(cleaned->c_str(), &end);
  if (end != cleaned->c_str() + cleaned->size() || is_space(static_cast<unsigned char>(cleaned->front())))
    return std::nullopt;
  return value;
}

// Python's int(text, base); nullopt when it is no integer. Base 0 takes the prefix's.
std::optional<int64_t> parse_int(Call& c, std::string_view raw, int64_t base) {
  const auto cleaned = without_underscores(strip_left(strip_right(raw)));
  if (!cleaned || (base != 0 && (base < 2 || base > 36))) return std::nullopt;
  std::string_view digits = *cleaned;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.size() > 2 && digits[0] == '0') {
    const char mark = static_cast<char>(digits[1] | 0x20);
    const int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : -1;
    if (marked == base || (base == 0 && marked > 0)) {
      digits.remove_prefix(2);
      base = marked;
    }
  }
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  if (base == 0 && digits[0] == '0' && digits.find_first_not_of('0') != digits.npos) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base == 0 ? 10 : base));
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) return std::nullopt;
  const uint64_t limit = uint64_t{1} << 63;
  if (error != std::errc() || value > limit || (value == limit && !negative))
    c.in.fail("an integer does not fit into 64 bits");
  return static_cast<int64_t>(negative ? 0 - value : value);
}

Value truncate_number(Call& c, double number) {
  if (std::abs(number) >= 0x1p63) c.in.fail("an integer does not fit into 64 bits");
  return Value(static_cast<int64_t>(number));
}

Value to_int(Call& c) {
  const Value other = c.has(0) ? c.args[0] : Value(int64_t{0});
  if (c.self.is_undefined()) c.in.fail_undefined(c.self);
  if (c.self.is_integral()) return Value(c.self.integer());
  std::optional<double> number;
  if (c.self.is(Kind::Float)) {
    number = c.self.number();
    if (std::isinf(*number)) c.in.fail("an infinite number has no integer");
  } else if (c.self.is_string()) {
    if (const auto whole = parse_int(c, c.self.text(), c.integer(1, 10))) return Value(*whole);
    number = parse_float(c.self.text());
  }
  return number && std::isfinite(*number) ? truncate_number(c, *number) : other;
}

Value to_float(Call& c) {
  if (c.self.is_undefined()) c.in.fail_undefined(c.self);
  if (c.self.is_number()) return Value(c.self.number());
  if (c.self.is_string())
    if (const auto number = parse_float(c.self.text())) return Value(*number);
  return c.has(0) ? c.args[0] : Value(0.0);
}

// round() of a decimal number: correctly rounded, ties to even, as printing with that many digits does.
double round_number(double number, int64_t digits) {
  if (!std::isfinite(number) || digits > 300) return number;
  if (digits < -300) return std::copysign(0.0, number);
  char buffer[1024];
  if (digits >= 0) {
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(digits), number);
    return std::strtod(buffer, nullptr);
  }
  const double scale = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(number / scale) * scale;
}

int64_t round_integer(Interpreter& in, int64_t number, int64_t digits) {
  if (digits >= 0) return number;
  if (digits < -18) return 0;
  int64_t scale = 1;
  for (int64_t i = digits; i < 0; ++i) scale *= 10;
  int64_t rest = number % scale, base = number - rest;
  const int64_t twice = std::abs(rest) > scale / 2 ? 1 : std::abs(rest) < scale / 2 ? -1 : (base / scale % 2 ? 1 : -1);
  if (twice > 0 && __builtin_add_overflow(base, rest < 0 ? -scale : scale, &base))
    in.fail("an integer does not fit into 64 bits");
  return base;
}

Value round_value(Call& c) {
  const std::string method = c.text(1, "common");
  const int64_t digits = c.integer(0, 0);
  if (method != "common" && method != "ceil" && method != "floor")
    c.in.fail(str("expected 'common', 'ceil' or 'floor', found ", quote(method)));
  if (!c.self.is_number()) c.in.fail(str("expected a number to round, found ", type_name(c.self)));
  if (method == "common") {
    if (c.self.is_integral()) return Value(round_integer(c.in, c.self.integer(), digits));
    return Value(round_number(c.self.number(), digits));
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = c.self.number() * scale;
  if (!std::isfinite(scaled) || scale == 0) c.in.fail("a number cannot be rounded to that many digits");
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value length(Call& c) {
  if (c.self.is(Kind::Loop)) return loop_attribute(c.in, c.self.as<LoopObject>(), "length");
  const int64_t size = length_or_none(c.self);
  if (size < 0) c.in.fail(str("expected something with a length, found ", type_name(c.self)));
  return Value(size);
}

Value tojson(Call& c) {
  JsonStyle style{.ensure_ascii = c.flag(0), .sort_keys = c.flag(3)};
  if (c.given(1)) {
    style.multiline = true;
    style.item_separator = ",";
    const int64_t width = c.args[1].is_string() ? 0 : std::max<int64_t>(0, c.integer(1, 0));
    c.in.charge_text(static_cast<size_t>(width));
    style.indent = c.args[1].is_string() ? c.args[1].text() : std::string(static_cast<size_t>(width), ' ');
  }
  if (c.given(2)) {
    const auto parts = collect(c.in, c.args[2]);
    if (parts.size() != 2 || !parts[0].is_string() || !parts[1].is_string())
      c.in.fail("expected two texts as separators, of items and of keys");
    style.item_separator = parts[0].text();
    style.key_separator = parts[1].text();
  }
  return c.in.text(to_json(c.in, c.self, style));
}

Value pretty(Call& c) {
  std::string out;
  append_repr(c.in, out, c.self);
  if (out.size() > 80 && !c.self.is_number()) c.in.fail("pprint is supported only for values that fit on one line");
  return c.in.text(std::move(out));
}

Value random(Call& c) { c.in.fail("the filter 'random' is not supported: a prompt must not depend on chance"); }

constexpr Builtin kRows[] = {
    {"abs", absolute},
    {"attr", attribute, "name", 1},
    {"count", length},
    {"d", fallback, "default_value boolean"},
    {"default", fallback, "default_value boolean"},
    {"float", to_float, "default"},
    {"int", to_int, "default base"},
    {"length", length},
    {"pprint", pretty},
    {"random", random},
    {"round", round_value, "precision method"},
    {"tojson", tojson, "ensure_ascii indent separators sort_keys"},
};
static_assert(is_sorted_table(kRows));

}  // namespace

constinit const std::span<const Builtin> kValueFilters = kRows;

}  // namespace transformers::jinja
