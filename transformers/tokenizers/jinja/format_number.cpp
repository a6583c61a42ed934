#include "transformers/tokenizers/jinja/format_number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

constexpr int64_t kMaxPrecision = 400;

static void group_digits(std::string& digits, char separator, size_t every) {
  const size_t end = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  for (size_t at = end; at > every; at -= every) digits.insert(at - every, 1, separator);
}

std::string integer_digits(Interpreter& in, uint64_t magnitude, const NumberFormat& format) {
  const char type = format.type == 'd' || format.type == 'n' ? '\0' : format.type;
  const int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
  char buffer[72];
  std::string digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, magnitude, base).ptr);
  if (type == 'X') digits = upper(digits);
  if (format.grouping == ',' && base != 10) in.fail("expected no ',' in the format of a number that is not decimal");
  if (format.grouping) group_digits(digits, format.grouping, base == 10 ? 3 : 4);
  if (format.alternate && base != 10) digits.insert(0, std::string{'0', type});
  return digits;
}

std::string float_digits(Interpreter& in, double magnitude, const NumberFormat& format) {
  if (format.precision > kMaxPrecision) in.fail(str("expected a precision of at most ", kMaxPrecision));
  if (std::isnan(magnitude) || std::isinf(magnitude)) {
    std::string text = std::isnan(magnitude) ? "nan" : "inf";
    if (format.type >= 'A' && format.type <= 'Z') text = upper(text);
    return format.type == '%' ? str(text, "%") : text;
  }
  const bool percent = format.type == '%';
  const char type = percent ? 'f' : format.type ? format.type : 'g';
  std::string pattern = format.alternate ? "%#.*" : "%.*";
  pattern += type;
  char buffer[1024];
  const int size = std::snprintf(buffer, sizeof buffer, pattern.c_str(),
                                 static_cast<int>(format.precision < 0 ? 6 : format.precision),
                                 percent ? magnitude * 100 : magnitude);
  std::string digits(buffer, static_cast<size_t>(size));
  if (format.type == '\0') {
    digits = format.precision < 0 ? float_repr(magnitude) : digits;
    // Without a type, a number keeps a decimal point, as repr does.
    if (digits.find_first_of(".e") == digits.npos) {
      digits += ".0";
      if (format.precision >= 0 && static_cast<int64_t>(digits.size()) - 2 >= format.precision &&
          format.precision > 0) {
        std::snprintf(buffer, sizeof buffer, "%.*e", static_cast<int>(format.precision - 1), magnitude);
        digits = static_cast<int64_t>(digits.size()) - 2 >= format.precision ? std::string(buffer) : digits;
      }
    }
  }
  if (format.grouping) group_digits(digits, format.grouping, 3);
  return percent ? str(digits, "%") : digits;
}

std::string pad(Interpreter& in, std::string_view sign, std::string body, const NumberFormat& format,
                char default_align) {
  const auto points = static_cast<int64_t>(count_points(body) + sign.size());
  const int64_t missing = std::max<int64_t>(0, format.width - points);
  in.charge_text(static_cast<size_t>(missing) * format.fill.size());
  const char align = format.align ? format.align : default_align;
  const int64_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const auto fill = [&](int64_t count) {
    std::string out;
    for (int64_t i = 0; i < count; ++i) out += format.fill;
    return out;
  };
  if (align == '=') return str(sign, fill(missing), body);
  return str(fill(before), sign, body, fill(missing - before));
}

}  // namespace transformers::jinja
