#include "transformers/mapping/key_match.h"

#include <vector>

namespace transformers {

// Matches segment by segment and notes what the stars stood for. Linear: a star never looks past a dot, and `**` stands
// at one end only.
static bool match(std::string_view pattern, std::string_view key, std::vector<std::string_view>* stars) {
  if (pattern.starts_with("**")) {
    const auto tail = pattern.substr(2);
    if (tail.find('*') != std::string_view::npos || !key.ends_with(tail)) return false;
    if (stars) stars->push_back(key.substr(0, key.size() - tail.size()));
    return true;
  }
  for (;;) {
    if (pattern == "**") {
      if (stars) stars->push_back(key);
      return true;
    }
    const auto pattern_dot = pattern.find('.'), key_dot = key.find('.');
    const auto want = pattern.substr(0, pattern_dot), have = key.substr(0, key_dot);
    if (want == "*") {
      if (have.empty()) return false;
      if (stars) stars->push_back(have);
    } else if (want != have) {
      return false;
    }
    const bool pattern_ends = pattern_dot == std::string_view::npos, key_ends = key_dot == std::string_view::npos;
    if (pattern_ends || key_ends) return pattern_ends && key_ends;
    pattern.remove_prefix(pattern_dot + 1);
    key.remove_prefix(key_dot + 1);
  }
}

static std::optional<std::string> rewrite(std::string_view from, std::string_view to, std::string_view key) {
  std::vector<std::string_view> stars;
  if (!match(from, key, &stars)) return std::nullopt;
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] != '*') {
      out += to[i];
      continue;
    }
    if (i + 1 < to.size() && to[i + 1] == '*') ++i;
    out += next < stars.size() ? stars[next++] : std::string_view();
  }
  return out;
}

bool key_matches(std::string_view pattern, std::string_view key) { return match(pattern, key, nullptr); }

std::optional<std::string> apply_rule(const KeyRule& rule, std::string_view key) {
  return rewrite(rule.from, rule.to, key);
}

std::optional<std::string> invert_rule(const KeyRule& rule, std::string_view key) {
  return rewrite(rule.to, rule.from, key);
}

}  // namespace transformers
