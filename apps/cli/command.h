#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/config/generation_limits.h"

namespace transformers::cli {

/// The command line was wrong: exit code 2.
struct UsageError : Error {
  explicit UsageError(const std::string& text, std::string hint_line = {}) : Error(text), hint(std::move(hint_line)) {}
  std::string hint;
};

/// What an option's value must look like. Text is not empty, FreeText may be; a Name is a part of a file's or a
/// revision's name.
enum class ValueKind { None, Text, FreeText, Name, Integer, Number, Boolean, Choice, Json };

/// One option of a command; every one is long: `--name value` or `--name=value`.
struct Option {
  std::string name = {};  // without the dashes
  ValueKind kind = ValueKind::None;
  std::string placeholder = {};  // what the help calls the value
  std::string help = {};
  std::vector<std::string> choices = {};
  int64_t least = std::numeric_limits<int64_t>::min();  // of an integer
  int64_t most = std::numeric_limits<int64_t>::max();
  const NumberLimit* limit = nullptr;  // of an integer or a number
};

struct OptionGroup {
  std::string title = {};
  std::vector<Option> options = {};
};

/// A parsed command line: positional arguments and the values of options, already of the kinds declared.
class Arguments {
 public:
  std::vector<std::string> positional = {};

  void set(const std::string& name, std::string value) { values_[name] = std::move(value); }
  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
  [[nodiscard]] std::optional<std::string> find(const std::string& name) const;
  [[nodiscard]] std::string text(const std::string& name, const std::string& fallback = {}) const;
  [[nodiscard]] int64_t integer(const std::string& name, int64_t fallback) const;

 private:
  std::map<std::string, std::string> values_;
};

/// One command of the program.
struct Command {
  std::string_view name = {};
  std::string_view summary = {};
  std::string_view usage = {};    // what stands after the name: "MODEL --inputs FILE"
  std::string_view details = {};  // paragraphs under the usage
  size_t least_positional = 0, most_positional = 0;
  std::vector<OptionGroup> (*options)() = nullptr;
  int (*run)(const Arguments&) = nullptr;  // gives the exit code; throws UsageError, Error
};

/// Every command of this version, alphabetical; and the names of those that come later.
[[nodiscard]] std::span<const Command* const> commands();
[[nodiscard]] std::span<const std::string_view> later_commands();

}  // namespace transformers::cli
