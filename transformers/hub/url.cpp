#include "transformers/hub/url.h"

#include <charconv>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::hub {

namespace {

bool has_control_character(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= ' ' || c == 127) return true;
  return false;
}

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw ValueError(str("the address ", quote(display_url(text)), " ", why));
}

// The path with its `.` and `..` taken out.
std::string normalized(std::string_view path) {
  std::vector<std::string> parts;
  const auto all = split(path.substr(1), '/');
  for (size_t i = 0; i < all.size(); ++i) {
    const bool is_last = i + 1 == all.size();
    if (all[i] == ".." && !parts.empty()) parts.pop_back();
    if (all[i] != "." && all[i] != "..") parts.push_back(all[i]);
    if (is_last && (all[i] == "." || all[i] == "..")) parts.emplace_back();
  }
  return "/" + join(parts, "/");
}

}  // namespace

std::string Url::origin() const {
  const bool is_usual = port == (scheme == "https" ? 443 : 80);
  return is_usual ? str(scheme, "://", host) : str(scheme, "://", host, ":", port);
}

Url parse_url(std::string_view text) {
  Url url;
  if (has_control_character(text) || text.find('\\') != std::string_view::npos)
    refuse(text, "has a character that none may have");
  const auto colon = text.find("://");
  url.scheme = to_lower_ascii(text.substr(0, colon == std::string_view::npos ? 0 : colon));
  if (url.scheme != "http" && url.scheme != "https") refuse(text, "is not one of http or https");
  const auto rest = text.substr(colon + 3);
  const auto end = std::min(rest.find_first_of("/?#"), rest.size());
  auto authority = rest.substr(0, end);
  if (authority.find('@') != std::string_view::npos) refuse(text, "has a user name; name a token instead");
  url.port = url.scheme == "https" ? 443 : 80;
  if (const auto mark = authority.rfind(':'); mark != std::string_view::npos && !authority.ends_with(']')) {
    const auto digits = authority.substr(mark + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || url.port < 1 || url.port > 65535)
      refuse(text, "has no proper port");
    authority = authority.substr(0, mark);
  }
  url.host = to_lower_ascii(authority);
  if (url.host.empty()) refuse(text, "names no host");
  url.target = rest.substr(end, rest.find('#') == std::string_view::npos ? rest.size() : rest.find('#') - end);
  if (!url.target.starts_with('/')) url.target = "/" + url.target;
  return url;
}

Url follow(const Url& base, std::string_view reference) {
  const auto colon = reference.find(':');
  if (colon != std::string_view::npos && colon < reference.find_first_of("/?#")) return parse_url(reference);
  if (reference.starts_with("//")) return parse_url(str(base.scheme, ":", reference));
  if (has_control_character(reference)) refuse(reference, "has a character that none may have");
  auto next = base;
  const auto path = std::string_view(base.target).substr(0, base.target.find('?'));
  const auto query = std::min(reference.find_first_of("?#"), reference.size());
  auto joined = reference.starts_with('/') ? std::string(reference.substr(0, query))
                : query == 0               ? std::string(path)
                                           : str(path.substr(0, path.rfind('/') + 1), reference.substr(0, query));
  next.target = normalized(joined) + std::string(reference.substr(query, reference.find('#') - query));
  return next;
}

std::string display_url(std::string_view text) {
  auto shown = std::string(text.substr(0, text.find_first_of("?#")));
  const auto start = shown.find("://");
  if (start == std::string::npos) return shown;
  const auto end = std::min(shown.find('/', start + 3), shown.size());
  const auto at = shown.rfind('@', end);
  return at == std::string::npos || at < start ? shown : shown.substr(0, start + 3) + shown.substr(at + 1);
}

std::string percent_encode(std::string_view text, std::string_view kept) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          std::string_view("-._~").find(c) != std::string_view::npos;
    if (is_plain || kept.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto value = static_cast<unsigned char>(c);
    constexpr std::string_view digits = "0123456789ABCDEF";
    out += '%';
    out += digits[value >> 4];
    out += digits[value & 15];
  }
  return out;
}

}  // namespace transformers::hub
