#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transformers/tokenizers/jinja/value.h"

namespace transformers::jinja {

struct CallValues {
  std::vector<Value> positional = {};
  std::vector<std::pair<std::string, Value>> keyword = {};
};

/// What a builtin is called with: `self` is the value a filter, test or method works on; `args` follow the builtin's
/// parameters, Missing where none was given; `raw` is what was written, for builtins that take anything.
struct Call {
  Interpreter& in;
  const Value& self;
  std::span<const Value> args;
  const CallValues& raw;

  [[nodiscard]] bool has(size_t i) const { return !args[i].is_missing(); }
  /// Typed arguments, or the fallback when absent; throw when the kind is another.
  [[nodiscard]] bool flag(size_t i, bool fallback = false) const;
  [[nodiscard]] int64_t integer(size_t i, int64_t fallback) const;
  [[nodiscard]] std::string text(size_t i, std::string_view fallback) const;
  /// As above, but None counts as absent too.
  [[nodiscard]] bool given(size_t i) const { return has(i) && !args[i].is_none(); }
};

/// A row of the tables of filters, tests, functions and methods. `parameters` are names separated by blanks, "*" takes
/// anything; the first `required` must be given. A lazy one runs, and fails, only when its first item is asked for. A
/// method without `run` exists but is closed to templates.
struct Builtin {
  std::string_view name;
  Value (*run)(Call&);
  std::string_view parameters = {};
  int required = 0;
  bool positional_only = false;
  bool is_lazy = false;
};

/// Rows must be sorted by name; the tables check that when they are compiled.
constexpr bool is_sorted_table(std::span<const Builtin> rows) {
  for (size_t i = 1; i < rows.size(); ++i)
    if (!(rows[i - 1].name < rows[i].name)) return false;
  return true;
}

extern const std::span<const Builtin> kTextFilters, kSequenceFilters, kSelectFilters, kValueFilters, kTests, kFunctions,
    kStringMethods, kStringClassMethods, kListMethods, kTupleMethods, kDictMethods, kNumberMethods, kFloatMethods,
    kLoopMethods, kCyclerMethods, kDictTypeMethods;

[[nodiscard]] const Builtin* find_row(std::span<const Builtin> rows, std::string_view name);
[[nodiscard]] const Builtin* find_filter(std::string_view name);
[[nodiscard]] const Builtin* find_test(std::string_view name);
[[nodiscard]] const Builtin* find_method(const Value& self, std::string_view name);
[[nodiscard]] std::string unknown_filter(std::string_view name);
[[nodiscard]] std::string unknown_test(std::string_view name);

/// Binds the arguments to the row's parameters and runs it; throws when they do not fit.
Value invoke(Interpreter& in, const Builtin& row, const Value& self, const CallValues& raw);

struct FunctionObject final : Object {
  const Builtin* row = nullptr;
  Value self = {};  // of a method
};

}  // namespace transformers::jinja
