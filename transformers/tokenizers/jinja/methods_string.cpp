#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/text_tools.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

constexpr auto kNone = std::string_view::npos;

template <bool left, bool right>
Value strip(Call& c) {
  const bool by_space = !c.given(0);
  const std::string set = by_space ? std::string() : c.text(0, "");
  return c.in.text(std::string(strip_text(c.in, c.self.text(), by_space ? nullptr : &set, left, right)));
}

Value split(Call& c) {
  const std::string separator = c.given(0) ? c.text(0, "") : std::string();
  return c.in.list(split_text(c.in, c.self.text(), c.given(0) ? &separator : nullptr, c.integer(1, -1)));
}

Value rsplit(Call& c) {
  const std::string separator = c.given(0) ? c.text(0, "") : std::string();
  return c.in.list(rsplit_text(c.in, c.self.text(), c.given(0) ? &separator : nullptr, c.integer(1, -1)));
}

Value splitlines(Call& c) {
  std::vector<Value> lines;
  for (const auto line : split_lines(c.self.text(), c.flag(0))) lines.push_back(c.in.text(std::string(line)));
  return c.in.list(std::move(lines));
}

Value join_items(Call& c) {
  std::string out;
  bool first = true;
  Cursor cursor(c.in, c.args[0]);
  for (Value item; cursor.next(c.in, item);) {
    if (!item.is_string()) c.in.fail(str("expected texts to join, found ", type_name(item)));
    if (!std::exchange(first, false)) out += c.self.text();
    out += item.text();
    c.in.charge_text(out.size() > kMaxText ? out.size() : c.self.text().size());
  }
  return c.in.text(std::move(out));
}

Value replace(Call& c) {
  return c.in.text(replace_text(c.in, c.self.text(), c.text(0, ""), c.text(1, ""), c.integer(2, -1)));
}

// The part of the text that optional start and stop arguments select, with its byte offset; absent when start is
// beyond the end, where Python finds nothing, not even the empty text.
struct Window {
  std::string_view text;
  size_t offset = 0, first_point = 0;
  bool valid = true;
};

Window window(Call& c, size_t from) {
  const auto size = static_cast<int64_t>(c.self.points());
  const auto bound = [&](size_t i, int64_t fallback) {
    const int64_t at = c.given(i) ? c.integer(i, 0) : fallback;
    return at < 0 ? std::max<int64_t>(0, at + size) : at;
  };
  const int64_t start = bound(from, 0), stop = std::min(bound(from + 1, size), size);
  if (start > size || start > stop) return {{}, 0, 0, false};
  const std::string_view text = c.self.text();
  c.in.charge(text.size() / 128);
  const size_t begin = byte_offset(text, static_cast<size_t>(start));
  const size_t end = begin + byte_offset(text.substr(begin), static_cast<size_t>(stop - start));
  return {text.substr(begin, end - begin), begin, static_cast<size_t>(start)};
}

template <bool from_right>
int64_t locate(Call& c) {
  const std::string needle = c.text(0, "");
  const Window part = window(c, 1);
  if (!part.valid) return -1;
  const size_t at = from_right ? find_last(c.in, part.text, needle) : find_bytes(part.text, needle);
  if (at == kNone) return -1;
  return static_cast<int64_t>(part.first_point + count_points(part.text.substr(0, at)));
}

template <bool from_right>
Value find(Call& c) {
  return Value(locate<from_right>(c));
}

template <bool from_right>
Value index(Call& c) {
  const int64_t at = locate<from_right>(c);
  if (at < 0) c.in.fail("the text to find is not there");
  return Value(at);
}

Value count(Call& c) {
  const std::string needle = c.text(0, "");
  const Window part = window(c, 1);
  if (!part.valid) return Value(int64_t{0});
  if (needle.empty()) return Value(static_cast<int64_t>(count_points(part.text)) + 1);
  int64_t found = 0;
  for (size_t at = 0; (at = find_bytes(part.text, needle, at)) != kNone; at += needle.size()) ++found;
  c.in.charge(static_cast<size_t>(found));
  return Value(found);
}

template <bool at_end>
Value edge(Call& c) {
  const Window part = window(c, 1);
  const auto matches = [&](const Value& value) {
    if (!value.is_string()) c.in.fail(str("expected a text or a tuple of texts, found ", type_name(value)));
    return part.valid && (at_end ? part.text.ends_with(value.text()) : part.text.starts_with(value.text()));
  };
  if (!c.args[0].is(Kind::Tuple)) return Value(matches(c.args[0]));
  for (const auto& value : c.args[0].items())
    if (matches(value)) return Value(true);
  return Value(false);
}

template <bool from_right>
Value partition(Call& c) {
  const std::string separator = c.text(0, "");
  if (separator.empty()) c.in.fail("expected a separator that is not empty");
  const std::string& text = c.self.text();
  const size_t at = from_right ? find_last(c.in, text, separator) : find_bytes(text, separator);
  if (at == kNone && from_right) return c.in.tuple({c.in.text(""), c.in.text(""), c.self});
  if (at == kNone) return c.in.tuple({c.self, c.in.text(""), c.in.text("")});
  return c.in.tuple(
      {c.in.text(text.substr(0, at)), c.in.text(separator), c.in.text(text.substr(at + separator.size()))});
}

Value remove_prefix(Call& c) {
  const std::string prefix = c.text(0, "");
  return c.self.text().starts_with(prefix) ? c.in.text(c.self.text().substr(prefix.size())) : c.self;
}

Value remove_suffix(Call& c) {
  const std::string suffix = c.text(0, "");
  const std::string& text = c.self.text();
  return text.ends_with(suffix) ? c.in.text(text.substr(0, text.size() - suffix.size())) : c.self;
}

template <char align>
Value justify(Call& c) {
  const std::string fill = c.text(1, " ");
  if (count_points(fill) != 1) c.in.fail("expected one character to fill with");
  return c.in.text(pad_text(c.in, c.self.text(), c.integer(0, 0), align, fill));
}

Value zfill(Call& c) {
  const std::string& text = c.self.text();
  const bool has_sign = text.starts_with('+') || text.starts_with('-');
  const int64_t width = c.integer(0, 0) - (has_sign ? 1 : 0);
  return c.in.text(text.substr(0, has_sign ? 1 : 0) + pad_text(c.in, text.substr(has_sign ? 1 : 0), width, '>', "0"));
}

Value expandtabs(Call& c) {
  const int64_t size = c.integer(0, 8);
  std::string out;
  int64_t column = 0;
  const std::string& text = c.self.text();
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t point = decode(text, at);
    const int64_t blanks = size > 0 ? size - column % size : 0;
    if (point == '\t') {
      c.in.charge_text(static_cast<size_t>(blanks) + (out.size() > kMaxText ? kMaxText : 0));
      out.append(static_cast<size_t>(blanks), ' ');
      column += blanks;
      continue;
    }
    out.append(text, start, at - start);
    column = point == '\n' || point == '\r' ? 0 : column + 1;
  }
  return c.in.text(std::move(out));
}

Value format(Call& c) { return c.in.text(format_braces(c.in, c.self.text(), c.raw)); }

Value format_map(Call& c) {
  if (!c.args[0].is(Kind::Dict)) c.in.fail("expected a mapping for format_map");
  CallValues arguments;
  for (const auto& [key, value] : c.args[0].as<Dict>().items)
    if (key.is_string()) arguments.keyword.emplace_back(key.text(), value);
  return c.in.text(format_braces(c.in, c.self.text(), arguments));
}

template <std::string (*map)(std::string_view)>
Value mapped(Call& c) {
  c.in.charge(c.self.text().size() / 16);
  return c.in.text(map(c.self.text()));
}

Value unsupported(Call& c) { c.in.fail("this method of texts is not supported in templates"); }

constexpr Builtin kRows[] = {
    {"capitalize", mapped<capitalize>},
    {"casefold", mapped<fold>},
    {"center", justify<'^'>, "width fillchar", 1, true},
    {"count", count, "sub start end", 1, true},
    {"encode", unsupported, "*"},
    {"endswith", edge<true>, "suffix start end", 1, true},
    {"expandtabs", expandtabs, "tabsize"},
    {"find", find<false>, "sub start end", 1, true},
    {"format", format, "*"},
    {"format_map", format_map, "mapping", 1, true},
    {"index", index<false>, "sub start end", 1, true},
    {"join", join_items, "iterable", 1, true},
    {"ljust", justify<'<'>, "width fillchar", 1, true},
    {"lower", mapped<lower>},
    {"lstrip", strip<true, false>, "chars", 0, true},
    {"maketrans", unsupported, "*"},
    {"partition", partition<false>, "sep", 1, true},
    {"removeprefix", remove_prefix, "prefix", 1, true},
    {"removesuffix", remove_suffix, "suffix", 1, true},
    {"replace", replace, "old new count", 2, true},
    {"rfind", find<true>, "sub start end", 1, true},
    {"rindex", index<true>, "sub start end", 1, true},
    {"rjust", justify<'>'>, "width fillchar", 1, true},
    {"rpartition", partition<true>, "sep", 1, true},
    {"rsplit", rsplit, "sep maxsplit"},
    {"rstrip", strip<false, true>, "chars", 0, true},
    {"split", split, "sep maxsplit"},
    {"splitlines", splitlines, "keepends"},
    {"startswith", edge<false>, "prefix start end", 1, true},
    {"strip", strip<true, true>, "chars", 0, true},
    {"swapcase", mapped<swap_case>},
    {"title", mapped<title>},
    {"translate", unsupported, "*"},
    {"upper", mapped<upper>},
    {"zfill", zfill, "width", 1, true},
};
static_assert(is_sorted_table(kRows));

template <const char* what>
Value classified(Call& c) {
  c.in.charge(c.self.text().size() / 64);
  return Value(is_class(c.self.text(), what));
}

Value is_ascii(Call& c) { return Value(c.self.is_ascii()); }
Value is_identifier_text(Call& c) { return Value(is_identifier(c.self.text())); }

Value is_printable_text(Call& c) {
  for (size_t at = 0; at < c.self.text().size();)
    if (!is_printable(decode(c.self.text(), at))) return Value(false);
  return Value(true);
}

constexpr char kAlnum[] = "alnum", kAlpha[] = "alpha", kDecimal[] = "decimal", kDigit[] = "digit", kLower[] = "lower",
               kNumeric[] = "numeric", kSpace[] = "space", kTitle[] = "title", kUpper[] = "upper";

constexpr Builtin kClassRows[] = {
    {"isalnum", classified<kAlnum>},     {"isalpha", classified<kAlpha>},     {"isascii", is_ascii},
    {"isdecimal", classified<kDecimal>}, {"isdigit", classified<kDigit>},     {"isidentifier", is_identifier_text},
    {"islower", classified<kLower>},     {"isnumeric", classified<kNumeric>}, {"isprintable", is_printable_text},
    {"isspace", classified<kSpace>},     {"istitle", classified<kTitle>},     {"isupper", classified<kUpper>},
};
static_assert(is_sorted_table(kClassRows));

}  // namespace

constinit const std::span<const Builtin> kStringMethods = kRows;
constinit const std::span<const Builtin> kStringClassMethods = kClassRows;

}  // namespace transformers::jinja
