#include "transformers/hub/names.h"

#include <algorithm>
#include <cctype>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::hub {

namespace {

bool is_hex(std::string_view text, size_t size) {
  return text.size() == size && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_repo_part(std::string_view part) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return !part.empty() && part.size() <= 96 && part.find_first_not_of(allowed) == std::string_view::npos &&
         part.front() != '.' && part.front() != '-' && part.back() != '.' && part.back() != '-' &&
         part.find("..") == std::string_view::npos && part.find("--") == std::string_view::npos;
}

// What is wrong with a relative path; empty when nothing is. The rules of Windows hold too: a cache may be carried.
std::string_view flaw(std::string_view path) {
  if (path.empty()) return "is empty";
  if (path.size() > 1024) return "is longer than 1024 bytes";
  for (const char c : path)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) return "has a control character";
  if (path.find('\\') != std::string_view::npos) return "has a backslash";
  if (!is_utf8(path)) return "is not UTF-8";
  if (path.front() == '/') return "is an absolute path";
  for (const auto& part : split(path, '/')) {
    if (part.empty()) return "has an empty part";
    if (part == "." || part == "..") return "has a part that is '.' or '..'";
    if (part.size() > 240) return "has a part longer than 240 bytes";
    if (part.size() > 1 && part[1] == ':' && std::isalpha(static_cast<unsigned char>(part[0]))) return "names a drive";
  }
  return {};
}

void check_path(std::string_view text, std::string_view what) {
  if (const auto why = flaw(text); !why.empty()) throw ValueError(str("the ", what, " ", quote(text), " ", why));
}

// Whether the set at the start of `pattern` (after its bracket) holds `c`; `end` is set behind it, or to 0 when it is
// not closed and the bracket stands for itself.
bool in_set(std::string_view pattern, char c, size_t& end) {
  const bool is_negated = pattern.starts_with('!');
  const size_t first = is_negated ? 1 : 0;
  const auto close = pattern.find(']', first + 1);
  end = close == std::string_view::npos ? 0 : close + 1;
  if (end == 0) return false;
  bool found = false;
  for (size_t i = first; i < close; ++i) {
    const bool is_range = i + 2 < close && pattern[i + 1] == '-';
    found |= is_range ? pattern[i] <= c && c <= pattern[i + 2] : pattern[i] == c;
    if (is_range) i += 2;
  }
  return found != is_negated;
}

}  // namespace

bool is_repo_id(std::string_view text) {
  const auto parts = split(text, '/');
  return parts.size() <= 2 && std::all_of(parts.begin(), parts.end(), is_repo_part) && !text.ends_with(".git");
}

bool is_commit(std::string_view text) { return is_hex(text, 40); }
bool is_sha256(std::string_view text) { return is_hex(text, 64); }

void check_repo_id(std::string_view text) {
  if (!is_repo_id(text)) throw ValueError(str(quote(text), " is no id of a Hub repository, expected org/name or name"));
}

void check_revision(std::string_view text) { check_path(text, "revision"); }
void check_file_name(std::string_view text) { check_path(text, "file name"); }

std::string blob_name(std::string_view etag) {
  auto name = trim(etag);
  if (name.starts_with("W/")) name.remove_prefix(2);
  while (name.starts_with('"')) name.remove_prefix(1);
  while (name.ends_with('"')) name.remove_suffix(1);
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.=+";
  if (name.empty() || name.size() > 128 || name.front() == '.' ||
      name.find_first_not_of(allowed) != std::string_view::npos || name.ends_with(".incomplete"))
    throw HubError(str("the server's ETag ", quote(etag), " cannot be the name of a file"));
  return std::string(name);
}

bool matches(std::string_view name, std::string_view pattern) {
  size_t n = 0, p = 0, star = std::string_view::npos, mark = 0;
  while (n < name.size()) {
    size_t width = 1;
    bool fits = p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]);
    if (p < pattern.size() && pattern[p] == '[') {
      const bool is_member = in_set(pattern.substr(p + 1), name[n], width);
      fits = width == 0 ? name[n] == '[' : is_member;
      width += 1;
    }
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, mark = n;
    } else if (fits) {
      p += width, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1, n = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace transformers::hub
