#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transformers/tokenizers/jinja/value.h"

namespace transformers::jinja {

enum class ExprKind : uint8_t {
  Const,
  Name,
  List,
  Tuple,
  Dict,
  Attribute,
  Item,
  Slice,
  Call,
  Filter,
  Test,
  Not,
  Negative,
  Positive,
  And,
  Or,
  Binary,
  Concat,
  Compare,
  Conditional,
  Captured,
  NamespaceRef,
};

enum class Operator : uint8_t { Add, Sub, Mul, Div, FloorDiv, Mod, Pow, Eq, Ne, Lt, Le, Gt, Ge, In, NotIn };

using ExprPtr = std::unique_ptr<Expr>;
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;

struct CallArguments {
  std::vector<ExprPtr> positional = {};
  std::vector<std::pair<std::string, ExprPtr>> keyword = {};
  ExprPtr star = {}, double_star = {};
};

/// An expression. `items` are its operands in the order of the source; absent ones (of slices) are null.
/// `name` is an attribute's, filter's or test's name; `id` the number of a variable's.
struct Expr {
  ExprKind kind = ExprKind::Const;
  Operator op = Operator::Add;
  uint16_t depth = 1;
  int line = 1;
  int id = -1;
  std::string name = {};
  Value value = {};
  std::vector<ExprPtr> items = {};
  std::vector<Operator> comparisons = {};
  std::unique_ptr<CallArguments> arguments = {};
};

enum class StmtKind : uint8_t {
  Data,
  Output,
  For,
  If,
  Set,
  SetBlock,
  Macro,
  CallBlock,
  FilterBlock,
  With,
  Break,
  Continue,
  Scope,
  Unsupported,
};

struct MacroParameter {
  int id = -1;
  std::string name = {};
  ExprPtr fallback = {};
};

/// A statement. What `target`, `expr` and `test` are is said by the parser's function of that statement.
struct Stmt {
  StmtKind kind = StmtKind::Data;
  bool is_recursive = false;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;  // of a macro
  int line = 1;
  int id = -1;
  std::string text = {};
  ExprPtr target = {}, expr = {}, test = {};
  std::vector<std::pair<ExprPtr, ExprPtr>> assignments = {};  // of `with`
  std::vector<MacroParameter> parameters = {};
  std::vector<std::pair<ExprPtr, Body>> branches = {};  // of `if`; `else` has no condition
  Body body = {}, otherwise = {};
};

/// A parsed template: immutable, shared by all renderings.
struct Program {
  Body body = {};
  std::vector<std::string> names = {};  // by number
  std::vector<int> hidden = {};         // see hidden_names
};

/// Numbers that the parser gives to the names that the interpreter itself reads and writes.
enum SpecialName : int { kLoopName, kCallerName, kKwargsName, kVarargsName };

/// Names whose variables the template hides from itself, as it assigns them at the top level before it reads them.
[[nodiscard]] std::vector<int> hidden_names(const Program& program);

[[nodiscard]] Program parse(std::string_view source);

}  // namespace transformers::jinja
