#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace transformers::detail {

/// One of Python's regular expressions, compiled once. Matching takes bounded work, so that an expression from a file
/// cannot stop the program: it throws ValueError naming the expression and the text instead. Safe to call from several
/// threads.
class Expression {
 public:
  /// Where a group begins and ends; npos for one that took no part. The first is the whole match.
  using Groups = std::vector<std::pair<size_t, size_t>>;

  /// Throws ValueError for what is no expression; `what` names its origin there.
  Expression(std::string pattern, std::string what);
  /// One that matches nothing less than all of a text, as re.fullmatch has it.
  [[nodiscard]] static Expression of_all(const std::string& pattern, const std::string& what);

  /// The next match at or behind `from`, as re.search finds it; false when there is none.
  [[nodiscard]] bool search(std::string_view text, size_t from, Groups& groups) const;
  /// As re.match: at the start of the text.
  [[nodiscard]] bool matches_start(std::string_view text) const;
  [[nodiscard]] bool matches_start(std::string_view text, Groups& groups) const;

  [[nodiscard]] int groups() const;
  [[nodiscard]] const std::string& pattern() const { return pattern_; }

 private:
  enum class Where { Anywhere, Start };
  [[nodiscard]] bool run(std::string_view text, size_t from, Where where, Groups* groups) const;

  std::string pattern_, what_;
  std::shared_ptr<void> compiled_;
};

}  // namespace transformers::detail
