#include <algorithm>
#include <cmath>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

constexpr char kHex[] = "0123456789abcdef";

void append_hex(std::string& out, char mark, char32_t c, int digits) {
  (out += '\\') += mark;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kHex[c >> shift & 15];
}

void append_point(std::string& out, char32_t c, char quote, bool ascii_only) {
  if (c == static_cast<char32_t>(quote) || c == '\\') {
    (out += '\\') += static_cast<char>(c);
  } else if (c == '\n' || c == '\r' || c == '\t') {
    (out += '\\') += c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
  } else if (c >= 0x20 && c < 0x7F) {
    out += static_cast<char>(c);
  } else if (c >= 0x80 && !ascii_only && is_printable(c)) {
    encode(out, c);
  } else {
    append_hex(out, c < 0x100 ? 'x' : c < 0x10000 ? 'u' : 'U', c, c < 0x100 ? 2 : c < 0x10000 ? 4 : 8);
  }
}

template <class Items, class Append>
void append_joined(Interpreter& in, std::string& out, const Items& items, const Append& append) {
  bool first = true;
  for (const auto& item : items) {
    if (!std::exchange(first, false)) out += ", ";
    append(item);
    in.charge_text(out.size() > kMaxText ? out.size() : 0);
  }
}

void append_array(Interpreter& in, std::string& out, const Value& value) {
  const bool is_list = value.is(Kind::List);
  out += is_list ? '[' : '(';
  append_joined(in, out, value.items(), [&](const Value& item) { append_repr(in, out, item); });
  if (!is_list && value.items().size() == 1) out += ',';
  out += is_list ? ']' : ')';
}

void append_dict(Interpreter& in, std::string& out, const Dict& dict) {
  out += '{';
  append_joined(in, out, dict.items, [&](const Dict::Item& item) {
    append_repr(in, out, item.first);
    out += ": ";
    append_repr(in, out, item.second);
  });
  out += '}';
}

void append_view(Interpreter& in, std::string& out, const View& view) {
  out += view.kind == ViewKind::Keys ? "dict_keys([" : view.kind == ViewKind::Values ? "dict_values([" : "dict_items([";
  append_joined(in, out, view.dict->items, [&](const Dict::Item& item) {
    if (view.kind == ViewKind::Items) out += '(';
    if (view.kind != ViewKind::Values) append_repr(in, out, item.first);
    if (view.kind == ViewKind::Items) out += ", ";
    if (view.kind != ViewKind::Keys) append_repr(in, out, item.second);
    if (view.kind == ViewKind::Items) out += ')';
  });
  out += "])";
}

void append_range(std::string& out, const Range& range) {
  out += str("range(", range.start, ", ", range.stop);
  if (range.step != 1) out += str(", ", range.step);
  out += ')';
}

void append_loop(Interpreter& in, std::string& out, LoopObject& loop) {
  const Value length = loop_attribute(in, loop, "length");
  out += str("<LoopContext ", loop.index0 + 1, "/", length.integer(), ">");
}

}  // namespace

void append_string_repr(std::string& out, std::string_view text, bool ascii_only) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  out += quote;
  for (size_t at = 0; at < text.size();) append_point(out, decode(text, at), quote, ascii_only);
  out += quote;
}

void append_repr(Interpreter& in, std::string& out, const Value& value) {
  in.charge(1);
  in.check_stack();
  switch (value.kind()) {
    case Kind::Missing:
    case Kind::Undefined: out += "Undefined"; break;
    case Kind::None: out += "None"; break;
    case Kind::Bool: out += value.integer() ? "True" : "False"; break;
    case Kind::Int: out += str(value.integer()); break;
    case Kind::Float: out += float_repr(value.number()); break;
    case Kind::String:
      in.charge_text(value.text().size() * 4);
      append_string_repr(out, value.text());
      break;
    case Kind::List:
    case Kind::Tuple: append_array(in, out, value); break;
    case Kind::Dict: append_dict(in, out, value.as<Dict>()); break;
    case Kind::Range: append_range(out, value.as<Range>()); break;
    case Kind::View: append_view(in, out, value.as<View>()); break;
    case Kind::Namespace:
      out += "<Namespace ";
      append_dict(in, out, value.as<NamespaceObject>().attributes);
      out += '>';
      break;
    case Kind::Macro:
      out += "<Macro ";
      append_string_repr(out, value.as<MacroObject>().stmt->text);
      out += '>';
      break;
    case Kind::Loop: append_loop(in, out, value.as<LoopObject>()); break;
    default: out += str("<", type_name(value), ">");  // the reference prints an address here
  }
}

std::string to_text(Interpreter& in, const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return {};
  std::string out;
  append_repr(in, out, value);
  return out;
}

}  // namespace transformers::jinja
