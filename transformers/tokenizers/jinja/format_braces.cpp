#include <algorithm>
#include <cmath>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/format_number.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

int64_t read_number(Interpreter& in, std::string_view spec, size_t& at) {
  int64_t value = 0;
  while (at < spec.size() && spec[at] >= '0' && spec[at] <= '9') {
    value = value * 10 + (spec[at++] - '0');
    if (value > static_cast<int64_t>(kMaxText)) in.fail("a width or precision is too large");
  }
  return value;
}

// [[fill]align][sign][#][0][width][grouping][.precision][type]
NumberFormat parse_spec(Interpreter& in, std::string_view spec) {
  constexpr std::string_view kAligns = "<>=^";
  NumberFormat format;
  size_t at = 0;
  const auto one_of = [&](std::string_view set, size_t where) {
    return where < spec.size() && set.find(spec[where]) != set.npos;
  };
  size_t fill_end = 0;
  if (!spec.empty()) decode(spec, fill_end);
  if (!spec.empty() && one_of(kAligns, fill_end)) {
    format.fill = spec.substr(0, fill_end);
    format.align = spec[fill_end];
    at = fill_end + 1;
  } else if (one_of(kAligns, 0)) {
    format.align = spec[at++];
  }
  if (one_of("+- ", at)) format.sign = spec[at++];
  if (one_of("#", at)) format.alternate = spec[at++] != '\0';
  if (one_of("0", at)) {
    ++at;
    if (!format.align) {
      format.fill = "0";
      format.align = '=';
    }
  }
  format.width = read_number(in, spec, at);
  if (one_of(",_", at)) format.grouping = spec[at++];
  if (one_of(".", at)) {
    const size_t start = ++at;
    format.precision = read_number(in, spec, at);
    if (at == start) in.fail("expected digits behind '.' in a format");
  }
  if (at < spec.size()) format.type = spec[at++];
  if (at < spec.size()) in.fail(str("expected a format such as '>10' or '.2f', found ", quote(spec)));
  return format;
}

std::string sign_of(bool negative, char style) {
  return negative ? "-" : style == '-' ? std::string() : std::string(1, style);
}

std::string format_text(Interpreter& in, const Value& value, const NumberFormat& format) {
  if ((format.type && format.type != 's') || format.align == '=' || format.sign != '-' || format.grouping ||
      format.alternate)
    in.fail("expected a format for text, found one for numbers");
  std::string text = value.text();
  if (format.precision >= 0) text.resize(byte_offset(text, static_cast<size_t>(format.precision)));
  return pad(in, "", std::move(text), format, '<');
}

std::string format_integer(Interpreter& in, const Value& value, const NumberFormat& format) {
  constexpr std::string_view kFloatTypes = "eEfFgG%";
  const bool negative = value.integer() < 0;
  const auto magnitude = negative ? 0 - static_cast<uint64_t>(value.integer()) : static_cast<uint64_t>(value.integer());
  const std::string sign = sign_of(negative, format.sign);
  if (format.type && kFloatTypes.find(format.type) != kFloatTypes.npos)
    return pad(in, sign, float_digits(in, static_cast<double>(magnitude), format), format, '>');
  if (format.precision >= 0) in.fail("expected no precision in the format of an integer");
  if (format.type && std::string_view("bdnoxX").find(format.type) == std::string_view::npos)
    in.fail(str("unknown type ", quote(std::string_view(&format.type, 1)), " in the format of an integer"));
  return pad(in, sign, integer_digits(in, magnitude, format), format, '>');
}

}  // namespace

std::string format_spec(Interpreter& in, const Value& value, std::string_view spec) {
  if (spec.empty()) return to_text(in, value);
  if (value.is_string()) return format_text(in, value, parse_spec(in, spec));
  if (value.is_integral()) {
    return format_integer(in, value, parse_spec(in, spec));
  }
  if (!value.is(Kind::Float)) in.fail(str("expected text or a number to format, found ", type_name(value)));
  NumberFormat format = parse_spec(in, spec);
  if (format.type == 'n') format.type = 'g';
  if (format.type && std::string_view("eEfFgG%").find(format.type) == std::string_view::npos)
    in.fail(str("unknown type ", quote(std::string_view(&format.type, 1)), " in the format of a number"));
  const double number = value.number();
  return pad(in, sign_of(std::signbit(number) && !std::isnan(number), format.sign),
             float_digits(in, std::abs(number), format), format, '>');
}

namespace {

/// `text.format(…)`: fields by position, number or name, with attributes, items, conversions and nested formats.
class BraceFormatter {
 public:
  BraceFormatter(Interpreter& in, const CallValues& arguments) : in_(in), arguments_(arguments) {}

  std::string run(std::string_view text, int depth) {
    if (depth > 1) in_.fail("expected formats nested at most once");
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const char c = text[at];
      if (c != '{' && c != '}') {
        out += text[at++];
      } else if (at + 1 < text.size() && text[at + 1] == c) {
        out += c;
        at += 2;
      } else if (c == '}') {
        in_.fail("a single '}' in a format: write '}}' for the character");
      } else {
        out += field(text, at, depth);
        in_.charge_text(out.size() > kMaxText ? out.size() : 0);
      }
    }
    return out;
  }

 private:
  // A replacement field; `at` stands on its brace and moves behind the closing one.
  std::string field(std::string_view text, size_t& at, int depth) {
    const size_t start = ++at;
    int open = 1;
    for (; at < text.size() && open > 0; ++at) open += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
    if (open > 0) in_.fail("expected '}' before the end of a format");
    const auto inside = text.substr(start, at - 1 - start);
    size_t end = 0;
    for (bool in_brackets = false; end < inside.size(); ++end) {
      if (inside[end] == '[') in_brackets = true;
      if (inside[end] == ']') in_brackets = false;
      if (!in_brackets && (inside[end] == ':' || inside[end] == '!')) break;
    }
    Value value = lookup(inside.substr(0, end));
    auto rest = inside.substr(end);
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':')) in_.fail("expected 's', 'r' or 'a' behind '!'");
      value = convert(value, rest[1]);
      rest = rest.substr(2);
    }
    return format_spec(in_, value, rest.empty() ? std::string() : run(rest.substr(1), depth + 1));
  }

  Value convert(const Value& value, char conversion) {
    if (conversion == 's') return in_.text(to_text(in_, value));
    if (conversion != 'r' && conversion != 'a') in_.fail("expected 's', 'r' or 'a' behind '!'");
    std::string out;
    if (value.is_string())
      append_string_repr(out, value.text(), conversion == 'a');
    else
      append_repr(in_, out, value);
    return in_.text(std::move(out));
  }

  Value first(std::string_view name) {
    const bool is_number = is_digits(name);
    if (name.empty() || is_number) {
      if (automatic_ == (name.empty() ? 0 : 1)) in_.fail("numbered and unnumbered fields do not mix in a format");
      automatic_ = name.empty() ? 1 : 0;
      size_t at = 0;
      const int64_t index = name.empty() ? position_++ : read_number(in_, name, at);
      if (index >= static_cast<int64_t>(arguments_.positional.size()))
        in_.fail(str("expected at least ", index + 1, " arguments for a format"));
      return arguments_.positional[static_cast<size_t>(index)];
    }
    for (const auto& [known, value] : arguments_.keyword)
      if (known == name) return value;
    in_.fail(str("expected an argument ", quote(name), " for a format"));
  }

  Value lookup(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = first(name.substr(0, end));
    for (size_t at = end; at < name.size();) {
      if (name[at] == '.') {
        const size_t stop = std::min(name.find_first_of(".[", at + 1), name.size());
        value = get_attribute(in_, value, name.substr(at + 1, stop - at - 1), nullptr);
        at = stop;
        continue;
      }
      const size_t stop = name.find(']', at);
      if (name[at] != '[' || stop == name.npos || stop == at + 1) in_.fail("expected '[key]' in a format");
      const auto key = name.substr(at + 1, stop - at - 1);
      const bool is_index = key.find_first_not_of("0123456789") == key.npos;
      size_t digit = 0;
      value =
          get_item(in_, value, is_index ? Value(read_number(in_, key, digit)) : in_.text(std::string(key)), nullptr);
      at = stop + 1;
    }
    return value;
  }

  Interpreter& in_;
  const CallValues& arguments_;
  int64_t position_ = 0;
  int automatic_ = -1;  // 1: fields without numbers, 0: with
};

}  // namespace

std::string format_braces(Interpreter& in, std::string_view format, const CallValues& arguments) {
  in.charge_text(format.size());
  return BraceFormatter(in, arguments).run(format, 0);
}

}  // namespace transformers::jinja
