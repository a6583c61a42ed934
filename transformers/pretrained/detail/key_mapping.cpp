#include "transformers/pretrained/detail/key_mapping.h"

#include <utility>
#include <variant>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/pretrained/detail/expression.h"

namespace transformers::detail {

namespace {

// Literal text, or the number of a group.
using Piece = std::variant<std::string, int>;

// `\1`, `\g<1>` and `\\`; other escapes are an error, as in Python.
std::vector<Piece> parse_replacement(const std::string& text, int groups) {
  std::vector<Piece> pieces;
  std::string literal;
  const auto add_group = [&](int group) {
    if (group > groups)
      throw ValueError(str("key_mapping: the replacement ", quote(text), " names the group ", group,
                           ", the expression has ", groups));
    pieces.emplace_back(std::exchange(literal, {}));
    pieces.emplace_back(group);
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      literal += text[i];
      continue;
    }
    const std::string_view rest = std::string_view(text).substr(i + 1);
    if (!rest.empty() && rest[0] >= '1' && rest[0] <= '9') {
      add_group(rest[0] - '0');
      i += 1;
    } else if (rest.size() >= 4 && rest.starts_with("g<") && rest[2] >= '0' && rest[2] <= '9' && rest[3] == '>') {
      add_group(rest[2] - '0');
      i += 4;
    } else if (rest.starts_with('\\')) {
      literal += '\\';
      i += 1;
    } else {
      throw ValueError(str("key_mapping: the replacement ", quote(text), " has the unknown escape at byte ", i,
                           ", expected \\1 to \\9, \\g<0> to \\g<9> or \\\\"));
    }
  }
  pieces.emplace_back(std::move(literal));
  return pieces;
}

}  // namespace

struct KeyMapping::Rule {
  Expression expression;
  std::vector<Piece> replacement;

  // The key with every match replaced; false when there is none.
  bool apply(const std::string& key, std::string& out) const {
    Expression::Groups groups;
    size_t copied = 0;
    bool found = false;
    for (size_t from = 0; from <= key.size() && expression.search(key, from, groups);) {
      found = true;
      const auto [begin, end] = groups.front();
      out += std::string_view(key).substr(copied, begin - copied);
      for (const auto& piece : replacement) out += text_of(piece, key, groups);
      copied = end;
      from = end > begin ? end : end + 1;  // an empty match would be found again
    }
    if (found) out += std::string_view(key).substr(copied);
    return found;
  }

  static std::string_view text_of(const Piece& piece, const std::string& key, const Expression::Groups& groups) {
    if (const auto* literal = std::get_if<std::string>(&piece)) return *literal;
    const auto [begin, end] = groups[static_cast<size_t>(std::get<int>(piece))];
    if (begin == std::string::npos) return {};  // a group that took no part
    return std::string_view(key).substr(begin, end - begin);
  }
};

KeyMapping::KeyMapping(const std::map<std::string, std::string>& mapping) {
  auto rules = std::make_shared<std::vector<Rule>>();
  for (const auto& [pattern, replacement] : mapping) {
    Expression expression(pattern, "key_mapping");
    auto pieces = parse_replacement(replacement, expression.groups());
    rules->push_back({std::move(expression), std::move(pieces)});
  }
  rules_ = std::move(rules);
}

std::string KeyMapping::operator()(const std::string& key) const {
  if (!is_utf8(key)) return key;
  for (const auto& rule : *rules_) {
    std::string out;
    if (rule.apply(key, out)) return out;
  }
  return key;
}

}  // namespace transformers::detail
