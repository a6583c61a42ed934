#include <simdjson.h>

#include <charconv>

#include "transformers/base/error.h"
#include "transformers/base/json.h"
#include "transformers/base/strings.h"

namespace transformers {

static Json convert(const simdjson::dom::element& element) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::ARRAY: {
      const simdjson::dom::array source = element.get_array().value_unsafe();
      Json::Array out;
      out.reserve(source.size());
      for (const auto item : source) out.push_back(convert(item));
      return out;
    }
    case element_type::OBJECT: {
      const simdjson::dom::object source = element.get_object().value_unsafe();
      Json::Object out;
      out.reserve(source.size());
      for (const auto [key, value] : source) out.emplace_back(std::string(key), convert(value));
      return out;
    }
    case element_type::INT64: return Json(element.get_int64().value_unsafe());
    case element_type::UINT64: return Json(element.get_uint64().value_unsafe());
    case element_type::DOUBLE: return Json(element.get_double().value_unsafe());
    case element_type::STRING: return Json(element.get_string().value_unsafe());
    case element_type::BOOL: return Json(element.get_bool().value_unsafe());
    case element_type::NULL_VALUE: break;
  }
  return Json();
}

// Whether the digits, with the sign before them, are an integer that 64 bits cannot hold, rather than part of a
// fraction.
static bool is_wide_integer(std::string_view text, size_t begin, size_t end) {
  const bool is_negative = begin > 0 && text[begin - 1] == '-';
  const size_t before = begin - (is_negative ? 1 : 0);
  const auto stands_at = [&](size_t at, std::string_view among) {
    return at < text.size() && among.find(text[at]) != std::string_view::npos;
  };
  if (stands_at(before - 1, ".eE+") || stands_at(end, ".eE")) return false;
  uint64_t magnitude = 0;
  const auto parsed = std::from_chars(text.data() + begin, text.data() + end, magnitude);
  return parsed.ec != std::errc() || (is_negative && magnitude > uint64_t{1} << 63);
}

// Integers beyond 64 bits get a fraction, so that they are read as doubles: the parser refuses them, and
// tokenizer_config.json says "no limit" by 1000000000000000019884624838656.
static std::string with_wide_integers(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::string out;
  out.reserve(text.size() + 64);
  bool is_quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (is_quoted && text[i] == '\\' && i + 1 < text.size()) {
      out += text[++i];
    } else if (text[i] == '"') {
      is_quoted = !is_quoted;
    } else if (!is_quoted && is_digit(text[i])) {
      size_t end = i + 1;
      while (end < text.size() && is_digit(text[end])) ++end;
      out += text.substr(i + 1, end - i - 1);
      if (is_wide_integer(text, i, end)) out += ".0";
      i = end - 1;
    }
  }
  return out;
}

Json Json::parse(std::string_view text, std::string_view where) {
  constexpr size_t kMostDepth = 512;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);  // byte order mark
  if (trim(text).empty()) throw OSError(str(where, ": it is empty, expected JSON"));
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  simdjson::error_code code = parser.allocate(text.size(), kMostDepth);
  if (!code) code = parser.parse(text.data(), text.size()).get(element);
  if (code == simdjson::NUMBER_ERROR) {
    const std::string wide = with_wide_integers(text);
    code = parser.allocate(wide.size(), kMostDepth);
    if (!code) code = parser.parse(wide.data(), wide.size()).get(element);
  }
  if (code == simdjson::DEPTH_ERROR) throw OSError(str(where, ": JSON is nested deeper than ", kMostDepth, " levels"));
  if (code) throw OSError(str(where, ": not valid JSON: ", simdjson::error_message(code)));
  return convert(element);
}

}  // namespace transformers
