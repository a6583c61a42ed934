#include "transformers/pretrained/detail/key_mapping.h"

#include <oniguruma.h>

#include <utility>
#include <variant>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {

namespace {

constexpr size_t kMostPatternBytes = size_t{1} << 14;

using Expression = std::unique_ptr<regex_t, decltype(&onig_free)>;
using Region = std::unique_ptr<OnigRegion, void (*)(OnigRegion*)>;
// Literal text, or the number of a group.
using Piece = std::variant<std::string, int>;

const OnigUChar* bytes(std::string_view text) { return reinterpret_cast<const OnigUChar*>(text.data()); }

Expression compile(const std::string& pattern) {
  static const bool ready = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings, 1) == ONIG_NORMAL;
  }();
  if (!ready || pattern.size() > kMostPatternBytes || !is_utf8(pattern))
    throw ValueError(str("key_mapping: the expression ", quote(pattern), " is too long or no UTF-8"));
  regex_t* compiled = nullptr;
  OnigErrorInfo info{};
  const int code = onig_new(&compiled, bytes(pattern), bytes(pattern) + pattern.size(), ONIG_OPTION_NONE,
                            ONIG_ENCODING_UTF8, ONIG_SYNTAX_PYTHON, &info);
  if (code == ONIG_NORMAL) return {compiled, &onig_free};
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int size = onig_error_code_to_str(text, code, &info);
  throw ValueError(str("key_mapping: ", quote(pattern), " is no regular expression: ",
                       std::string_view(reinterpret_cast<const char*>(text), static_cast<size_t>(size))));
}

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
  std::string pattern;
  Expression expression;
  std::vector<Piece> replacement;

  // The next match at or behind `from`; false when there is none.
  [[nodiscard]] bool search(const std::string& key, size_t from, OnigRegion* region) const {
    const auto *begin = bytes(key), *end = begin + key.size();
    const int at = onig_search(expression.get(), begin, end, begin + from, end, region, ONIG_OPTION_NONE);
    if (at < ONIG_MISMATCH)
      throw ValueError(
          str("key_mapping: ", quote(pattern), " takes too long on the key ", quote(key), "; write it more strictly"));
    return at >= 0;
  }

  // The key with every match replaced; false when there is none.
  bool apply(const std::string& key, std::string& out) const {
    const Region region(onig_region_new(), [](OnigRegion* r) { onig_region_free(r, 1); });
    size_t copied = 0;
    bool found = false;
    for (size_t from = 0; from <= key.size() && search(key, from, region.get());) {
      found = true;
      const auto begin = static_cast<size_t>(region->beg[0]), end = static_cast<size_t>(region->end[0]);
      out += std::string_view(key).substr(copied, begin - copied);
      for (const auto& piece : replacement) out += text_of(piece, key, *region);
      copied = end;
      from = end > begin ? end : end + 1;  // an empty match would be found again
    }
    if (found) out += std::string_view(key).substr(copied);
    return found;
  }

  static std::string_view text_of(const Piece& piece, const std::string& key, const OnigRegion& region) {
    if (const auto* literal = std::get_if<std::string>(&piece)) return *literal;
    const int group = std::get<int>(piece);
    if (region.beg[group] < 0) return {};  // a group that took no part
    return std::string_view(key).substr(static_cast<size_t>(region.beg[group]),
                                        static_cast<size_t>(region.end[group] - region.beg[group]));
  }
};

KeyMapping::KeyMapping(const std::map<std::string, std::string>& mapping) {
  auto rules = std::make_shared<std::vector<Rule>>();
  for (const auto& [pattern, replacement] : mapping) {
    auto expression = compile(pattern);
    auto pieces = parse_replacement(replacement, onig_number_of_captures(expression.get()));
    rules->push_back({pattern, std::move(expression), std::move(pieces)});
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
