#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace transformers::detail {

/// Renames keys by Python's regular expressions, compiled once: in the first expression (in order of their text) that
/// is found in a key, every match is replaced, as by `re.sub`; other keys stay. `\1` and `\g<1>` are groups. Safe to
/// call from several threads. Throws ValueError naming an expression or a replacement that is no valid one, and a key
/// on which an expression takes too long.
class KeyMapping {
 public:
  explicit KeyMapping(const std::map<std::string, std::string>& mapping);
  [[nodiscard]] std::string operator()(const std::string& key) const;

 private:
  struct Rule;
  std::shared_ptr<const std::vector<Rule>> rules_;
};

}  // namespace transformers::detail
