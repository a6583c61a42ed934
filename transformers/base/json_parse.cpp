#include <simdjson.h>

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

Json Json::parse(std::string_view text, std::string_view where) {
  constexpr size_t kMostDepth = 512;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);  // byte order mark
  if (trim(text).empty()) throw OSError(str(where, ": it is empty, expected JSON"));
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  simdjson::error_code code = parser.allocate(text.size(), kMostDepth);
  if (!code) code = parser.parse(text.data(), text.size()).get(element);
  if (code == simdjson::DEPTH_ERROR) throw OSError(str(where, ": JSON is nested deeper than ", kMostDepth, " levels"));
  if (code) throw OSError(str(where, ": not valid JSON: ", simdjson::error_message(code)));
  return convert(element);
}

}  // namespace transformers
