#include "transformers/tokenizers/jinja/unicode.h"

#include <unicode/ucasemap.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "transformers/base/error.h"

namespace transformers::jinja {

static bool all_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char32_t decode(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at++);
  const int more = first < 0xC2 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : 0;
  if (more == 0 || at + static_cast<size_t>(more) > text.size()) return first;
  char32_t c = first & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if ((byte(at + static_cast<size_t>(i)) & 0xC0) != 0x80) return first;
    c = c << 6 | (byte(at + static_cast<size_t>(i)) & 0x3F);
  }
  at += static_cast<size_t>(more);
  return c;
}

void encode(std::string& out, char32_t c) {
  const auto put = [&](char32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

size_t count_points(std::string_view text) {
  if (all_ascii(text)) return text.size();
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) decode(text, at);
  return count;
}

size_t byte_offset(std::string_view text, size_t index) {
  size_t at = 0;
  while (index-- > 0 && at < text.size()) decode(text, at);
  return at;
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_line_break(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static UChar32 icu(char32_t c) { return static_cast<UChar32>(c); }

static bool is_numeric(char32_t c) { return u_getIntPropertyValue(icu(c), UCHAR_NUMERIC_TYPE) != U_NT_NONE; }

bool is_word(char32_t c) { return c == '_' || u_isalpha(icu(c)) || is_numeric(c); }

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  switch (u_charType(icu(c))) {
    case U_UNASSIGNED:
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_SURROGATE:
    case U_PRIVATE_USE_CHAR:
    case U_SPACE_SEPARATOR:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR: return false;
    default: return true;
  }
}

bool is_identifier(std::string_view text) {
  if (text.empty()) return false;
  for (size_t at = 0; at < text.size();) {
    const bool start = at == 0;
    const char32_t c = decode(text, at);
    if (c == '_') continue;
    if (!u_hasBinaryProperty(icu(c), start ? UCHAR_XID_START : UCHAR_XID_CONTINUE)) return false;
  }
  return true;
}

using CaseFunction = int32_t (*)(const UCaseMap*, char*, int32_t, const char*, int32_t, UErrorCode*);

// Full case mapping of the root locale, which is what Python does; it can change the length.
static std::string map_case(std::string_view text, CaseFunction map) {
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max() / 4))
    throw ValueError("chat template: text is too long to change its case");
  UErrorCode status = U_ZERO_ERROR;
  UCaseMap* options = ucasemap_open("", 0, &status);
  std::string out(text.size() * 3 + 8, '\0');
  const int32_t size = map(options, out.data(), static_cast<int32_t>(out.size()), text.data(),
                           static_cast<int32_t>(text.size()), &status);
  ucasemap_close(options);
  if (U_FAILURE(status)) throw ValueError("chat template: text could not change its case");
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string upper(std::string_view text) {
  if (!all_ascii(text)) return map_case(text, ucasemap_utf8ToUpper);
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

std::string lower(std::string_view text) {
  if (!all_ascii(text)) return map_case(text, ucasemap_utf8ToLower);
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string fold(std::string_view text) {
  return all_ascii(text) ? lower(text) : map_case(text, ucasemap_utf8FoldCase);
}

static void append_title(std::string& out, char32_t c) {
  if (c == 0xDF) {
    out += "Ss";
  } else {
    encode(out, static_cast<char32_t>(u_totitle(icu(c))));
  }
}

static bool is_cased(char32_t c) { return u_hasBinaryProperty(icu(c), UCHAR_CASED); }

std::string title(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t c = decode(text, at);
    if (in_word)
      out += lower(text.substr(start, at - start));
    else
      append_title(out, c);
    in_word = is_cased(c);
  }
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  std::string out;
  size_t at = 0;
  append_title(out, decode(text, at));
  return out + lower(text.substr(at));
}

std::string swap_case(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t c = decode(text, at);
    const auto piece = text.substr(start, at - start);
    out += u_isUUppercase(icu(c)) ? lower(piece) : u_isULowercase(icu(c)) ? upper(piece) : std::string(piece);
  }
  return out;
}

static bool is_title_case(std::string_view text) {
  bool any = false, in_word = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    const bool big = u_isUUppercase(icu(c)) || u_charType(icu(c)) == U_TITLECASE_LETTER;
    if ((big && in_word) || (u_isULowercase(icu(c)) && !in_word)) return false;
    in_word = is_cased(c);
    any = any || in_word;
  }
  return any;
}

static bool has_case(std::string_view text, bool wanted_upper) {
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    const bool big = u_isUUppercase(icu(c)) || u_charType(icu(c)) == U_TITLECASE_LETTER;
    if (wanted_upper ? (u_isULowercase(icu(c)) || u_charType(icu(c)) == U_TITLECASE_LETTER) : big) return false;
    any = any || (wanted_upper ? big : u_isULowercase(icu(c)));
  }
  return any;
}

static bool point_is(char32_t c, std::string_view what) {
  const int type = u_getIntPropertyValue(icu(c), UCHAR_NUMERIC_TYPE);
  if (what == "alnum") return u_isalpha(icu(c)) || type != U_NT_NONE;
  if (what == "alpha") return u_isalpha(icu(c));
  if (what == "decimal") return u_isdigit(icu(c));
  if (what == "digit") return type == U_NT_DECIMAL || type == U_NT_DIGIT;
  if (what == "numeric") return type != U_NT_NONE;
  return is_space(c);
}

bool is_class(std::string_view text, std::string_view what) {
  if (text.empty()) return false;
  if (what == "title") return is_title_case(text);
  if (what == "lower" || what == "upper") return has_case(text, what == "upper");
  for (size_t at = 0; at < text.size();)
    if (!point_is(decode(text, at), what)) return false;
  return true;
}

std::string_view strip_left(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    size_t next = at;
    if (!is_space(decode(text, next))) break;
    at = next;
  }
  return text.substr(at);
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    size_t end = start;
    const char32_t c = decode(text, end);
    if (end != text.size() || !is_space(c)) break;
    text = text.substr(0, start);
  }
  return text;
}

size_t find_bytes(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  const void* hit = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return hit ? static_cast<size_t>(static_cast<const char*>(hit) - text.data()) : std::string_view::npos;
}

}  // namespace transformers::jinja
