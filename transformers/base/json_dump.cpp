#include <algorithm>
#include <cmath>

#include "transformers/base/json.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

class Dumper {
 public:
  explicit Dumper(const Json::DumpOptions& options) : options_(options) {}

  void value(const Json& json, int depth) {
    if (json.is_null())
      out_ += "null";
    else if (json.is_bool())
      out_ += json.as_bool() ? "true" : "false";
    else if (json.is_int())
      out_ += std::to_string(json.as_int());
    else if (json.is_double())
      number(json.as_double());
    else if (json.is_string())
      text(json.as_string());
    else if (json.is_array())
      array(json.as_array(), depth);
    else
      object(json.as_object(), depth);
  }

  std::string take() { return std::move(out_); }

 private:
  void number(double value) {
    if (std::isnan(value))
      out_ += "NaN";
    else if (std::isinf(value))
      out_ += value < 0 ? "-Infinity" : "Infinity";
    else
      out_ += float_repr(value);
  }

  void unit(uint32_t code) {
    constexpr char hex[] = "0123456789abcdef";
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out_ += hex[code >> shift & 15];
  }

  void escaped(std::string_view text, size_t& i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t code = lead & (0xFF >> (length + 1));
    for (size_t k = 1; k < length; ++k) code = code << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    i += length - 1;
    if (code < 0x10000) return unit(code);
    unit(0xD800 + ((code - 0x10000) >> 10));
    unit(0xDC00 + ((code - 0x10000) & 0x3FF));
  }

  void text(std::string_view text) {
    const bool escape_high = options_.ensure_ascii && is_utf8(text);
    out_ += '"';
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      const auto byte = static_cast<unsigned char>(c);
      switch (c) {
        case '"': out_ += "\\\""; break;
        case '\\': out_ += "\\\\"; break;
        case '\n': out_ += "\\n"; break;
        case '\r': out_ += "\\r"; break;
        case '\t': out_ += "\\t"; break;
        case '\b': out_ += "\\b"; break;
        case '\f': out_ += "\\f"; break;
        default:
          if (byte < 0x20)
            unit(byte);
          else if (byte >= 0x80 && escape_high)
            escaped(text, i);
          else
            out_ += c;
      }
    }
    out_ += '"';
  }

  void line(int depth) {
    if (options_.indent < 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(depth) * static_cast<size_t>(options_.indent), ' ');
  }

  void separator(size_t index) {
    if (index == 0) return;
    out_ += options_.indent < 0 && options_.python_spacing ? ", " : ",";
  }

  void array(const Json::Array& items, int depth) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      separator(i);
      line(depth + 1);
      value(items[i], depth + 1);
    }
    line(depth);
    out_ += ']';
  }

  void object(const Json::Object& items, int depth) {
    if (items.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const Json::Object::value_type*> order;
    order.reserve(items.size());
    for (const auto& item : items) order.push_back(&item);
    if (options_.sort_keys)
      std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    out_ += '{';
    for (size_t i = 0; i < order.size(); ++i) {
      separator(i);
      line(depth + 1);
      text(order[i]->first);
      out_ += options_.indent >= 0 || options_.python_spacing ? ": " : ":";
      value(order[i]->second, depth + 1);
    }
    line(depth);
    out_ += '}';
  }

  const Json::DumpOptions& options_;
  std::string out_;
};

}  // namespace

std::string Json::dump(const DumpOptions& options) const {
  Dumper dumper(options);
  dumper.value(*this, 0);
  return dumper.take();
}

}  // namespace transformers
