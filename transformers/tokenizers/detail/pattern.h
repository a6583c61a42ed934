#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/tokenizers/detail/fields.h"
#include "transformers/tokenizers/detail/normalized_text.h"

namespace transformers::detail {

/// What splits or replaces text: a literal or a regular expression (Oniguruma syntax, UTF-8). Work on one text is
/// bounded; a pattern that backtracks beyond it throws ValueError. Immutable and thread-safe.
class Pattern {
 public:
  /// From {"String": "…"} or {"Regex": "…"} under `key`.
  [[nodiscard]] static Pattern from_json(const Fields& fields, std::string_view key);
  [[nodiscard]] static Pattern literal(std::string text);
  [[nodiscard]] static Pattern regex(std::string expression, std::string where);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  /// Appends matches and gaps so that they cover `text` in order; of an empty text, one empty gap.
  void find(std::string_view text, std::vector<Match>& out) const;

 private:
  struct Regex;
  Pattern();
  void find_literal(std::string_view text, std::vector<Match>& out) const;
  std::string literal_;
  std::unique_ptr<Regex> regex_;
};

/// The characters that satisfy a predicate, each a match of its own.
template <class Predicate>
void find_characters(std::string_view text, std::vector<Match>& out, const Predicate& holds);

}  // namespace transformers::detail

#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {

template <class Predicate>
void find_characters(std::string_view text, std::vector<Match>& out, const Predicate& holds) {
  uint32_t last = 0;
  for (uint32_t at = 0; at < text.size();) {
    const auto [c, size] = decode_at(text, at);
    if (holds(c)) {
      if (last < at) out.push_back({last, at, false});
      out.push_back({at, at + size, true});
      last = at + size;
    }
    at += size;
  }
  if (last < text.size() || text.empty()) out.push_back({last, static_cast<uint32_t>(text.size()), false});
}

}  // namespace transformers::detail
