#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/text_tools.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

template <std::string (*map)(std::string_view)>
Value mapped(Call& c) {
  const std::string text = to_text(c.in, c.self);
  c.in.charge(text.size() / 16);
  return c.in.text(map(text));
}

// Words begin behind blanks and opening brackets, unlike those of the method of the same name.
std::string title_words(std::string_view text) {
  std::string out;
  bool start = true;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = decode(text, at);
    const auto piece = text.substr(begin, at - begin);
    out += start ? upper(piece) : lower(piece);
    start = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
  }
  return out;
}

std::string escape_html(std::string_view text) {
  constexpr std::pair<char, std::string_view> kEscapes[] = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
  std::string out;
  for (const char c : text) {
    const auto* row =
        std::find_if(std::begin(kEscapes), std::end(kEscapes), [&](const auto& r) { return r.first == c; });
    if (row == std::end(kEscapes))
      out += c;
    else
      out += row->second;
  }
  return out;
}

Value center(Call& c) { return c.in.text(pad_text(c.in, to_text(c.in, c.self), c.integer(0, 80), '^', " ")); }
Value string(Call& c) { return c.self.is_string() ? c.self : c.in.text(to_text(c.in, c.self)); }

Value trim(Call& c) {
  const std::string text = to_text(c.in, c.self);
  const std::string set = c.given(0) ? c.text(0, "") : std::string();
  return c.in.text(std::string(strip_text(c.in, text, c.given(0) ? &set : nullptr, true, true)));
}

Value replace(Call& c) {
  return c.in.text(replace_text(c.in, to_text(c.in, c.self), to_text(c.in, c.args[0]), to_text(c.in, c.args[1]),
                                c.given(2) ? c.integer(2, -1) : -1));
}

Value format(Call& c) {
  if (!c.raw.positional.empty() && !c.raw.keyword.empty())
    c.in.fail("expected positional or keyword arguments for a format, not both");
  Value arguments = c.in.tuple(c.raw.positional);
  if (!c.raw.keyword.empty()) {
    auto& dict = c.in.make<Dict>();
    for (const auto& [name, value] : c.raw.keyword) dict.set(c.in, c.in.text(name), value);
    arguments = Value(Kind::Dict, &dict);
  }
  return c.in.text(format_percent(c.in, to_text(c.in, c.self), arguments));
}

Value indent(Call& c) {
  if (!c.self.is_string()) {
    if (c.self.is_undefined()) c.in.fail_undefined(c.self);
    c.in.fail(str("expected a text to indent, found ", type_name(c.self)));
  }
  const std::string margin =
      c.has(0) && c.args[0].is_string() ? c.args[0].text() : pad_text(c.in, "", c.integer(0, 4), '<', " ");
  const bool blank = c.flag(2);
  const std::string text = c.self.text() + "\n";
  std::string out = c.flag(1) ? margin : std::string();
  bool first = true;
  for (const auto line : split_lines(text, false)) {
    if (!first) out += '\n';
    if (!first && (blank || !line.empty())) out += margin;
    out += line;
    first = false;
    c.in.charge_text(out.size() > kMaxText ? out.size() : margin.size());
  }
  return c.in.text(std::move(out));
}

Value truncate(Call& c) {
  const int64_t length = c.integer(0, 255);
  const std::string end = c.text(2, "...");
  const int64_t leeway = c.given(3) ? c.integer(3, 5) : 5;
  const auto end_points = static_cast<int64_t>(count_points(end));
  if (length < end_points || leeway < 0) c.in.fail("expected a length no shorter than its end, and no negative leeway");
  if (c.self.is_undefined()) return c.self;
  if (length_or_none(c.self) < 0) c.in.fail(str("expected a text to truncate, found ", type_name(c.self)));
  if (length_or_none(c.self) - leeway <= length) return c.self;
  if (!c.self.is_string()) c.in.fail(str("expected a text to truncate, found ", type_name(c.self)));
  const std::string& text = c.self.text();
  std::string_view kept = std::string_view(text).substr(0, byte_offset(text, static_cast<size_t>(length - end_points)));
  if (!c.flag(1)) kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  return c.in.text(std::string(kept) + end);
}

Value word_count(Call& c) {
  const std::string text = to_text(c.in, c.self);
  c.in.charge(text.size() / 16);
  int64_t count = 0;
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const bool word = is_word(decode(text, at));
    count += word && !in_word;
    in_word = word;
  }
  return Value(count);
}

std::string quote_url(Interpreter& in, const Value& value, bool for_query) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const std::string text = to_text(in, value);
  in.charge_text(text.size() * 3);
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                       c == '.' || c == '-' || c == '~' || (c == '/' && !for_query);
    const auto byte = static_cast<unsigned char>(c);
    if (plain)
      out += c;
    else if (c == ' ' && for_query)
      out += '+';
    else
      ((out += '%') += kHex[byte >> 4]) += kHex[byte & 15];
  }
  return out;
}

Value urlencode(Call& c) {
  if (c.self.is_string() || c.self.is_number() || c.self.is_none()) return c.in.text(quote_url(c.in, c.self, false));
  std::string out;
  const auto add = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    out += quote_url(c.in, key, true) + "=" + quote_url(c.in, value, true);
    c.in.charge_text(out.size() > kMaxText ? out.size() : 0);
  };
  if (c.self.is(Kind::Dict)) {
    for (const auto& [key, value] : c.self.as<Dict>().items) add(key, value);
    return c.in.text(std::move(out));
  }
  for (const auto& pair : collect(c.in, c.self)) {
    const auto items = collect(c.in, pair);
    if (items.size() != 2) c.in.fail("expected pairs of a key and a value to encode");
    add(items[0], items[1]);
  }
  return c.in.text(std::move(out));
}

Value xmlattr(Call& c) {
  if (!c.self.is(Kind::Dict)) c.in.fail(str("expected a mapping of attributes, found ", type_name(c.self)));
  std::string out;
  for (const auto& [key, value] : c.self.as<Dict>().items) {
    if (value.is_none() || value.is_undefined()) continue;
    if (!key.is_string() || key.text().find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      c.in.fail("expected the name of an attribute without blanks, '/', '>' and '='");
    if (!out.empty()) out += ' ';
    out += escape_html(key.text()) + "=\"" + escape_html(to_text(c.in, value)) + "\"";
    c.in.charge_text(out.size() > kMaxText ? out.size() : 0);
  }
  return c.in.text(!out.empty() && c.flag(0, true) ? str(" ", out) : out);
}

std::string unescape_html(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"},  {"&gt;", ">"},   {"&quot;", "\""},     {"&#34;", "\""},
      {"&#39;", "'"}, {"&apos;", "'"}, {"&nbsp;", "\u00a0"}, {"&amp;", "&"}};
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto* row = std::find_if(std::begin(kEntities), std::end(kEntities),
                                   [&](const auto& r) { return text.substr(at).starts_with(r.first); });
    if (row == std::end(kEntities)) {
      out += text[at++];
    } else {
      out += row->second;
      at += row->first.size();
    }
  }
  return out;
}

std::string without(std::string_view text, std::string_view open, std::string_view close) {
  std::string out;
  size_t at = 0;
  for (size_t start; (start = find_bytes(text, open, at)) != std::string_view::npos;) {
    const size_t end = find_bytes(text, close, start);
    if (end == std::string_view::npos) break;
    out += text.substr(at, start - at);
    at = end + close.size();
  }
  return out.append(text.substr(at));
}

Value strip_tags(Call& c) {
  const std::string text = without(without(to_text(c.in, c.self), "<!--", "-->"), "<", ">");
  std::string out;
  for (const auto& word : split_text(c.in, text, nullptr, -1)) out += str(out.empty() ? "" : " ", word.text());
  return c.in.text(unescape_html(out));
}

Value unsupported(Call& c) { c.in.fail("this filter is not supported in chat templates"); }

constexpr Builtin kRows[] = {
    {"capitalize", mapped<capitalize>},
    {"center", center, "width"},
    {"e", mapped<escape_html>},
    {"escape", mapped<escape_html>},
    {"filesizeformat", unsupported, "*"},
    {"forceescape", mapped<escape_html>},
    {"format", format, "*"},
    {"indent", indent, "width first blank"},
    {"lower", mapped<lower>},
    {"replace", replace, "old new count", 2},
    {"safe", string},
    {"string", string},
    {"striptags", strip_tags},
    {"title", mapped<title_words>},
    {"trim", trim, "chars"},
    {"truncate", truncate, "length killwords end leeway"},
    {"upper", mapped<upper>},
    {"urlencode", urlencode},
    {"urlize", unsupported, "*"},
    {"wordcount", word_count},
    {"wordwrap", unsupported, "*"},
    {"xmlattr", xmlattr, "autospace"},
};
static_assert(is_sorted_table(kRows));

}  // namespace

constinit const std::span<const Builtin> kTextFilters = kRows;

}  // namespace transformers::jinja
