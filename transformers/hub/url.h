#pragma once

#include <string>
#include <string_view>

namespace transformers::hub {

/// An absolute http or https address.
struct Url {
  std::string scheme = {};  // "http" or "https"
  std::string host = {};    // lower case; an IPv6 address in its brackets
  int port = 0;             // the scheme's own when the address names none
  std::string target = {};  // path and query, from the slash on

  /// Scheme, host and port: what a token belongs to.
  [[nodiscard]] std::string origin() const;
  [[nodiscard]] std::string text() const { return origin() + target; }
};

/// Throws ValueError for another scheme, a user name in the address, or what is no address at all.
[[nodiscard]] Url parse_url(std::string_view text);

/// The address that a `Location` or `Link` header gives, relative to the one it was found at. Throws ValueError.
[[nodiscard]] Url follow(const Url& base, std::string_view reference);

/// The address as people may see it: without the query, which may be a signature, and without a user name.
[[nodiscard]] std::string display_url(std::string_view text);

/// Everything but letters, digits, `-._~` and the characters of `kept` as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text, std::string_view kept = {});

}  // namespace transformers::hub
