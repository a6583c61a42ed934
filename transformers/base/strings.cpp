#include "transformers/base/strings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>

namespace transformers {

namespace detail {

void append(std::string& out, std::string_view text) { out += text; }

void append(std::string& out, int64_t value) { out += std::to_string(value); }

void append(std::string& out, uint64_t value) { out += std::to_string(value); }

void append(std::string& out, double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
}

void append(std::string& out, std::span<const int64_t> shape) {
  out += '[';
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(shape[i]);
  }
  out += ']';
}

template <class Part>
static std::string join_parts(std::span<const Part> parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

}  // namespace detail

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string join(std::span<const std::string> parts, std::string_view separator) {
  return detail::join_parts(parts, separator);
}

std::string join(std::span<const std::string_view> parts, std::string_view separator) {
  return detail::join_parts(parts, separator);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool is_digits(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_digit); }

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n\f\v";
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::string to_lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (;;) {
    const auto at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

std::string quote(std::string_view text, size_t most) {
  constexpr char hex[] = "0123456789abcdef";
  const bool cut = text.size() > most;
  if (cut) {
    text = text.substr(0, most);
    // Do not cut inside a UTF-8 sequence.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.remove_suffix(1);
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xC0) text.remove_suffix(1);
  }
  const bool plain = is_utf8(text);
  std::string out = "'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !plain)) {
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + (cut ? "…'" : "'");
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  // Python switches to an exponent below 1e-4 and from 1e16 on; the shortest digits are the same.
  const double magnitude = std::fabs(value);
  const bool exponent = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16);
  const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  std::string out(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr);
  if (!exponent && out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string dotted(std::string_view prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : str(prefix, ".", name);
}

bool natural_less(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a[0]) && is_digit(b[0])) {
      const auto run = [](std::string_view& text) {
        size_t n = 0;
        while (n < text.size() && is_digit(text[n])) ++n;
        auto digits = text.substr(0, n);
        text.remove_prefix(n);
        while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
        return digits;
      };
      const auto x = run(a), y = run(b);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
    } else {
      if (a[0] != b[0]) return a[0] < b[0];
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  return a.size() < b.size();
}

static size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

std::vector<std::string> nearest(std::string_view name, std::span<const std::string> candidates, size_t most) {
  if (name.size() > 100) return {};
  std::vector<std::pair<size_t, const std::string*>> ranked;
  for (const auto& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (2 * distance < std::max(name.size(), candidate.size()) + 1) ranked.emplace_back(distance, &candidate);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<std::string> out;
  for (size_t i = 0; i < ranked.size() && i < most; ++i) out.push_back(*ranked[i].second);
  return out;
}

namespace {

// A name with its first numeric segment taken out, and that number.
struct Numbered {
  std::string pattern;
  std::optional<int64_t> number;
};

Numbered take_number(const std::string& name) {
  auto parts = split(name, '.');
  for (auto& part : parts) {
    if (part.size() > 9 || !is_digits(part)) continue;
    const int64_t number = std::stoll(part);
    part = "{}";
    return {join(parts, "."), number};
  }
  return {name, std::nullopt};
}

std::string ranges(std::vector<int64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::string out;
  for (size_t i = 0; i < numbers.size();) {
    size_t j = i;
    while (j + 1 < numbers.size() && numbers[j + 1] == numbers[j] + 1) ++j;
    if (!out.empty()) out += ',';
    out += std::to_string(numbers[i]);
    if (j > i) out += (j > i + 1 ? "…" : ",") + std::to_string(numbers[j]);
    i = j + 1;
  }
  return out;
}

}  // namespace

std::vector<std::string> fold_names(std::span<const std::string> names) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> groups;
  std::unordered_map<std::string, size_t> places;
  for (const auto& name : names) {
    auto [pattern, number] = take_number(name);
    const auto [place, fresh] = places.emplace(pattern, groups.size());
    if (fresh) groups.emplace_back(pattern, std::vector<int64_t>());
    if (number) groups[place->second].second.push_back(*number);
  }
  std::vector<std::string> out;
  for (const auto& [pattern, numbers] : groups) {
    if (numbers.empty()) {
      out.push_back(pattern);
      continue;
    }
    const auto text = ranges(numbers);
    out.push_back(replace_all(pattern, "{}",
                              text.find_first_not_of("0123456789") == std::string::npos ? text : "{" + text + "}"));
  }
  return out;
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : 4;
    if (length == 4 && (lead < 0xF0 || lead > 0xF4)) return false;
    if (i + length > text.size()) return false;
    uint32_t code = length == 1 ? lead : lead & (0xFF >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xC0) != 0x80) return false;
      code = code << 6 | (byte & 0x3F);
    }
    if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10FFFF))) return false;
    if (code >= 0xD800 && code < 0xE000) return false;
    i += length;
  }
  return true;
}

std::string human_bytes(int64_t size_bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(size_bytes);
  size_t unit = 0;
  while (std::fabs(value) >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return str(size_bytes, " B");
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, 1).ptr;
  return std::string(buffer, end) + " " + units[unit];
}

}  // namespace transformers
