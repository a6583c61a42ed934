#include "transformers/tokenizers/jinja/text_tools.h"

#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

constexpr auto kNone = std::string_view::npos;

static size_t last_point(std::string_view text) {
  size_t start = text.size() - 1;
  while (start > 0 && text.size() - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  return start;
}

std::string_view strip_text(Interpreter& in, std::string_view text, const std::string* set, bool left, bool right) {
  in.charge(text.size() / 256);
  if (!set) {
    if (left) text = strip_left(text);
    return right ? strip_right(text) : text;
  }
  const auto in_set = [&](std::string_view point) {
    in.charge(1 + set->size() / 256);
    return find_bytes(*set, point) != kNone;
  };
  while (left && !text.empty()) {
    size_t end = 0;
    decode(text, end);
    if (!in_set(text.substr(0, end))) break;
    text.remove_prefix(end);
  }
  while (right && !text.empty()) {
    const size_t start = last_point(text);
    if (!in_set(text.substr(start))) break;
    text = text.substr(0, start);
  }
  return text;
}

static std::vector<Value> split_space(Interpreter& in, std::string_view text, int64_t most) {
  std::vector<Value> parts;
  for (text = strip_left(text); !text.empty(); text = strip_left(text)) {
    size_t end = 0;
    if (most >= 0 && static_cast<int64_t>(parts.size()) >= most) {
      parts.push_back(in.text(std::string(text)));
      break;
    }
    while (end < text.size()) {
      size_t next = end;
      if (is_space(decode(text, next))) break;
      end = next;
    }
    parts.push_back(in.text(std::string(text.substr(0, end))));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<Value> split_text(Interpreter& in, std::string_view text, const std::string* separator, int64_t most) {
  in.charge(text.size() / 128);
  if (!separator) return split_space(in, text, most);
  if (separator->empty()) in.fail("expected a separator that is not empty");
  std::vector<Value> parts;
  size_t start = 0;
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    const size_t at = find_bytes(text, *separator, start);
    if (at == kNone) break;
    parts.push_back(in.text(std::string(text.substr(start, at - start))));
    start = at + separator->size();
  }
  parts.push_back(in.text(std::string(text.substr(start))));
  return parts;
}

static std::vector<Value> rsplit_space(Interpreter& in, std::string_view text, int64_t most) {
  std::vector<Value> parts;
  for (text = strip_right(text); !text.empty(); text = strip_right(text)) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) >= most) {
      parts.push_back(in.text(std::string(text)));
      break;
    }
    size_t start = text.size();
    while (start > 0) {
      const size_t point = last_point(text.substr(0, start));
      size_t at = point;
      if (is_space(decode(text, at))) break;
      start = point;
    }
    parts.push_back(in.text(std::string(text.substr(start))));
    text = text.substr(0, start);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Value> rsplit_text(Interpreter& in, std::string_view text, const std::string* separator, int64_t most) {
  if (most < 0 && separator) return split_text(in, text, separator, most);
  in.charge(text.size() / 128);
  if (!separator) return rsplit_space(in, text, most);
  if (separator->empty()) in.fail("expected a separator that is not empty");
  std::vector<Value> parts;
  while (static_cast<int64_t>(parts.size()) < most) {
    const size_t at = find_last(in, text, *separator);
    if (at == kNone) break;
    parts.push_back(in.text(std::string(text.substr(at + separator->size()))));
    text = text.substr(0, at);
  }
  parts.push_back(in.text(std::string(text)));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = at;
    const char32_t c = decode(text, at);
    if (!is_line_break(c)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, (keep_ends ? at : end) - start));
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

// An empty `from` stands before every code point and at the end.
static std::string interleave(Interpreter& in, std::string_view text, std::string_view to, int64_t most) {
  std::string out;
  size_t at = 0;
  for (int64_t done = 0; most < 0 || done < most; ++done) {
    out += to;
    in.charge_text(out.size() > kMaxText ? out.size() : to.size());
    if (at >= text.size()) return out;
    const size_t start = at;
    decode(text, at);
    out += text.substr(start, at - start);
  }
  return out.append(text.substr(at));
}

std::string replace_text(Interpreter& in, std::string_view text, std::string_view from, std::string_view to,
                         int64_t most) {
  in.charge_text(text.size());
  if (from.empty()) return interleave(in, text, to, most);
  std::string out;
  size_t start = 0;
  for (int64_t done = 0; most < 0 || done < most; ++done) {
    const size_t at = find_bytes(text, from, start);
    if (at == kNone) break;
    (out += text.substr(start, at - start)) += to;
    in.charge_text(out.size() > kMaxText ? out.size() : to.size());
    start = at + from.size();
  }
  return out.append(text.substr(start));
}

// Every comparison is charged, as looking from the end has no linear-time function to lean on.
size_t find_last(Interpreter& in, std::string_view text, std::string_view needle) {
  if (needle.size() > text.size()) return kNone;
  for (size_t at = text.size() - needle.size() + 1; at-- > 0;) {
    if (needle.empty()) return at;
    if (text[at] != needle[0]) continue;
    in.charge(1 + needle.size() / 256);
    if (text.substr(at, needle.size()) == needle) return at;
  }
  return kNone;
}

std::string pad_text(Interpreter& in, std::string_view text, int64_t width, char align, std::string_view fill) {
  const auto points = static_cast<int64_t>(count_points(text));
  const int64_t missing = std::max<int64_t>(0, width - points);
  in.charge_text(missing > static_cast<int64_t>(kMaxText) ? kMaxText + 1 : static_cast<size_t>(missing) * fill.size());
  const int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return out;
}

}  // namespace transformers::jinja
