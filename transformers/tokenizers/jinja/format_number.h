#pragma once

#include <string>
#include <string_view>

#include "transformers/tokenizers/jinja/value.h"

namespace transformers::jinja {

/// How to print one value: the fields of Python's format specification, which `%` formats share.
struct NumberFormat {
  std::string fill = " ";
  char align = '\0';  // < > ^ =, or the type's own
  char sign = '-';    // - + or a blank
  bool alternate = false;
  char grouping = '\0';  // , or _
  int64_t width = 0, precision = -1;
  char type = '\0';
};

/// The digits of a number, without sign, for a type among `bodxXc` and `eEfFgG%`.
[[nodiscard]] std::string integer_digits(Interpreter& in, uint64_t magnitude, const NumberFormat& format);
[[nodiscard]] std::string float_digits(Interpreter& in, double magnitude, const NumberFormat& format);

/// Pads `body` behind `sign` to the width.
[[nodiscard]] std::string pad(Interpreter& in, std::string_view sign, std::string body, const NumberFormat& format,
                              char default_align);

}  // namespace transformers::jinja
