#include <algorithm>
#include <cmath>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/format_number.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

/// `format % arguments`: the conversions of C's printf that Python has.
class PercentFormatter {
 public:
  PercentFormatter(Interpreter& in, std::string_view format, const Value& arguments)
      : in_(in), format_(format), arguments_(arguments) {}

  std::string run() {
    std::string out;
    while (at_ < format_.size()) {
      if (format_[at_] != '%') {
        out += format_[at_++];
        continue;
      }
      ++at_;
      out += field();
      in_.charge_text(out.size() > kMaxText ? out.size() : 0);
    }
    const bool is_mapping = arguments_.is(Kind::Dict) || arguments_.is(Kind::List) || arguments_.is_undefined();
    const size_t given = arguments_.is(Kind::Tuple) ? arguments_.items().size() : is_mapping ? 0 : 1;
    if (used_ < given && !by_key_) in_.fail("more values than the format has places for");
    return out;
  }

 private:
  Value take() {
    if (by_key_) return keyed_;
    if (arguments_.is(Kind::Tuple)) {
      if (used_ >= arguments_.items().size()) in_.fail("fewer values than the format has places for");
      return arguments_.items()[used_++];
    }
    if (used_++ > 0) in_.fail("fewer values than the format has places for");
    return arguments_;
  }

  int64_t number() {
    if (at_ < format_.size() && format_[at_] == '*') {
      ++at_;
      const Value value = take();
      if (!value.is_integral()) in_.fail("expected an integer for '*' in a format");
      return value.integer();
    }
    int64_t value = 0;
    while (at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9') {
      value = value * 10 + (format_[at_++] - '0');
      if (value > static_cast<int64_t>(kMaxText)) in_.fail("a width or precision is too large");
    }
    return value;
  }

  void read_key() {
    if (at_ >= format_.size() || format_[at_] != '(') return;
    const size_t start = ++at_;
    for (int open = 1; open > 0; ++at_) {
      if (at_ >= format_.size()) in_.fail("expected ')' behind the key in a format");
      open += format_[at_] == '(' ? 1 : format_[at_] == ')' ? -1 : 0;
    }
    const auto key = format_.substr(start, at_ - 1 - start);
    if (!arguments_.is(Kind::Dict)) in_.fail("expected a mapping for a format with keys");
    const Value* value = arguments_.as<Dict>().find(key);
    if (!value) in_.fail(str("expected the key ", quote(key), " for a format"));
    keyed_ = *value;
    by_key_ = true;
  }

  std::string field() {
    NumberFormat format;
    read_key();
    bool zero = false;
    for (; at_ < format_.size() && std::string_view("-+ #0").find(format_[at_]) != std::string_view::npos; ++at_) {
      const char flag = format_[at_];
      if (flag == '-') format.align = '<';
      if (flag == '+' || (flag == ' ' && format.sign != '+')) format.sign = flag;
      if (flag == '#') format.alternate = true;
      if (flag == '0') zero = true;
    }
    format.width = number();
    if (format.width < 0) {
      format.align = '<';
      format.width =
          format.width < -static_cast<int64_t>(kMaxText) ? static_cast<int64_t>(kMaxText) + 1 : -format.width;
    }
    if (at_ < format_.size() && format_[at_] == '.') {
      ++at_;
      format.precision = std::max<int64_t>(0, number());
    }
    while (at_ < format_.size() && std::string_view("hlL").find(format_[at_]) != std::string_view::npos) ++at_;
    if (at_ >= format_.size()) in_.fail("a format ends within a conversion");
    const char type = format_[at_++];
    if (type == '%') return "%";
    return convert(take(), type, format, zero && format.align != '<');
  }

  std::string convert(const Value& value, char type, NumberFormat format, bool zero) {
    if (type == 's' || type == 'r' || type == 'a') return text(value, type, format);
    if (type == 'c') return character(value, format);
    const bool is_float = std::string_view("eEfFgG").find(type) != std::string_view::npos;
    if (!is_float && std::string_view("diuoxX").find(type) == std::string_view::npos)
      in_.fail(str("unknown conversion ", quote(std::string_view(&type, 1)), " in a format"));
    if (value.is_undefined()) in_.fail_undefined(value);
    if (!value.is_number() || ((type == 'o' || type == 'x' || type == 'X') && !value.is_integral()))
      in_.fail(str("expected a number for '%", type, "', found ", type_name(value)));
    if (zero) {
      format.fill = "0";
      format.align = '=';
    }
    format.type = type;
    const double number = value.number();
    if (!is_float && (std::isnan(number) || std::abs(number) >= 0x1p63) && !value.is_integral())
      in_.fail("a number does not fit into 64 bits");
    const bool negative = is_float ? std::signbit(number) && !std::isnan(number) : number <= -1;
    const std::string sign = negative ? "-" : format.sign == '-' ? std::string() : std::string(1, format.sign);
    if (is_float) return pad(in_, sign, float_digits(in_, std::abs(number), format), format, '>');
    return integer(value, sign, format);
  }

  std::string integer(const Value& value, std::string sign, NumberFormat format) {
    const int64_t whole = value.is_integral() ? value.integer() : static_cast<int64_t>(value.number());
    if (format.type == 'i' || format.type == 'u') format.type = 'd';
    if (format.precision > 400) in_.fail("expected a precision of at most 400");
    const bool prefixed = std::exchange(format.alternate, false) && format.type != 'd';
    std::string digits =
        integer_digits(in_, whole < 0 ? 0 - static_cast<uint64_t>(whole) : static_cast<uint64_t>(whole), format);
    if (static_cast<int64_t>(digits.size()) < format.precision)
      digits.insert(0, static_cast<size_t>(format.precision) - digits.size(), '0');
    if (prefixed) (sign += '0') += format.type;
    return pad(in_, sign, std::move(digits), format, '>');
  }

  std::string text(const Value& value, char type, const NumberFormat& format) {
    std::string out;
    if (type == 's')
      out = to_text(in_, value);
    else if (value.is_string())
      append_string_repr(out, value.text(), type == 'a');
    else
      append_repr(in_, out, value);
    if (format.precision >= 0) out.resize(byte_offset(out, static_cast<size_t>(format.precision)));
    return pad(in_, "", std::move(out), format, '>');
  }

  std::string character(const Value& value, const NumberFormat& format) {
    std::string out;
    if (value.is_string() && value.points() == 1)
      out = value.text();
    else if (value.is_integral() && value.integer() >= 0 && value.integer() <= 0x10FFFF)
      encode(out, static_cast<char32_t>(value.integer()));
    else
      in_.fail("expected one character for '%c'");
    return pad(in_, "", std::move(out), format, '>');
  }

  Interpreter& in_;
  std::string_view format_;
  const Value& arguments_;
  size_t at_ = 0, used_ = 0;
  bool by_key_ = false;
  Value keyed_ = {};
};

}  // namespace

std::string format_percent(Interpreter& in, std::string_view format, const Value& arguments) {
  in.charge_text(format.size());
  return PercentFormatter(in, format, arguments).run();
}

}  // namespace transformers::jinja
