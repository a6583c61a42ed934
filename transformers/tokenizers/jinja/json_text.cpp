#include <algorithm>
#include <cmath>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

/// Writes as Python's json.dumps does.
class JsonWriter {
 public:
  JsonWriter(Interpreter& in, const JsonStyle& style) : in_(in), style_(style) {}
  std::string run(const Value& value) {
    write(value);
    return std::move(out_);
  }

 private:
  void write(const Value& value);
  void write_string(std::string_view text);
  void write_array(const std::vector<Value>& items);
  void write_dict(const Dict& dict);
  void write_number(double number);
  void write_escape(char32_t unit);
  void break_line();
  [[nodiscard]] std::string key_text(const Value& key);

  Interpreter& in_;
  const JsonStyle& style_;
  std::string out_ = {};
  size_t level_ = 0;
};

void JsonWriter::write(const Value& value) {
  in_.charge(1);
  in_.check_stack();
  in_.charge_text(out_.size() > kMaxText ? out_.size() : 0);
  switch (value.kind()) {
    case Kind::None: out_ += "null"; break;
    case Kind::Bool: out_ += value.integer() ? "true" : "false"; break;
    case Kind::Int: out_ += str(value.integer()); break;
    case Kind::Float: write_number(value.number()); break;
    case Kind::String: write_string(value.text()); break;
    case Kind::List:
    case Kind::Tuple: write_array(value.items()); break;
    case Kind::Dict: write_dict(value.as<Dict>()); break;
    case Kind::Undefined: in_.fail_undefined(value);
    default: in_.fail(str("expected a value that JSON can hold, found ", type_name(value)));
  }
}

void JsonWriter::write_number(double number) {
  if (std::isnan(number))
    out_ += "NaN";
  else if (std::isinf(number))
    out_ += number > 0 ? "Infinity" : "-Infinity";
  else
    out_ += float_repr(number);
}

void JsonWriter::write_escape(char32_t unit) {
  constexpr char kHex[] = "0123456789abcdef";
  out_ += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out_ += kHex[unit >> shift & 15];
}

void JsonWriter::write_string(std::string_view text) {
  constexpr std::string_view kFrom = "\"\\\n\r\t\f\b", kTo = "\"\\nrtfb";
  in_.charge_text(text.size());
  out_ += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t c = decode(text, at);
    if (const size_t known = c < 0x80 ? kFrom.find(static_cast<char>(c)) : kFrom.npos; known != kFrom.npos) {
      (out_ += '\\') += kTo[known];
    } else if (c < 0x20 || (style_.ensure_ascii && c >= 0x7F && c < 0x10000 && c != 0x7F)) {
      write_escape(c);
    } else if (style_.ensure_ascii && c >= 0x10000) {
      write_escape(0xD800 + ((c - 0x10000) >> 10));
      write_escape(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      out_ += text.substr(start, at - start);
    }
  }
  out_ += '"';
}

void JsonWriter::break_line() {
  if (!style_.multiline) return;
  in_.charge_text(out_.size() + style_.indent.size() * level_ > kMaxText ? kMaxText + 1
                                                                         : style_.indent.size() * level_);
  out_ += '\n';
  for (size_t i = 0; i < level_; ++i) out_ += style_.indent;
}

void JsonWriter::write_array(const std::vector<Value>& items) {
  if (items.empty()) {
    out_ += "[]";
    return;
  }
  out_ += '[';
  ++level_;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out_ += style_.item_separator;
    break_line();
    write(items[i]);
  }
  --level_;
  break_line();
  out_ += ']';
}

std::string JsonWriter::key_text(const Value& key) {
  if (key.is_string()) return key.text();
  if (!key.is_none() && !key.is_number()) in_.fail(str("expected a text as key of an object, found ", type_name(key)));
  JsonStyle plain;
  return JsonWriter(in_, plain).run(key);
}

void JsonWriter::write_dict(const Dict& dict) {
  if (dict.items.empty()) {
    out_ += "{}";
    return;
  }
  std::vector<const Dict::Item*> items;
  for (const auto& item : dict.items) items.push_back(&item);
  if (style_.sort_keys)
    std::stable_sort(items.begin(), items.end(),
                     [&](const auto* a, const auto* b) { return less(in_, a->first, b->first); });
  out_ += '{';
  ++level_;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out_ += style_.item_separator;
    break_line();
    write_string(key_text(items[i]->first));
    out_ += style_.key_separator;
    write(items[i]->second);
  }
  --level_;
  break_line();
  out_ += '}';
}

}  // namespace

std::string to_json(Interpreter& in, const Value& value, const JsonStyle& style) {
  return JsonWriter(in, style).run(value);
}

}  // namespace transformers::jinja
