#include "transformers/tokenizers/jinja/ast.h"

namespace transformers::jinja {

namespace {

// The reference decides when it compiles a template where a top-level name comes from: one that is assigned before
// anything at the top level reads it is a local of the template, undefined until then, and hides the caller's
// variable also from loops and macros further up. Bodies of loops and macros do not count as the top level.
class RootScope {
 public:
  explicit RootScope(size_t names) : states_(names, State::Untouched) {}

  void visit(const Body& body) {
    for (const auto& stmt : body) visit(*stmt);
  }
  [[nodiscard]] std::vector<int> hidden() const {
    std::vector<int> ids;
    for (size_t i = 0; i < states_.size(); ++i)
      if (states_[i] == State::Stored) ids.push_back(static_cast<int>(i));
    return ids;
  }

 private:
  enum class State : uint8_t { Untouched, Loaded, Stored };

  void touch(int id, State state) {
    auto& known = states_[static_cast<size_t>(id)];
    if (known != State::Untouched) return;
    known = state;
    touched_.push_back(id);
  }

  void load(const Expr* expr) {
    if (!expr) return;
    if (expr->kind == ExprKind::Name) touch(expr->id, State::Loaded);
    for (const auto& item : expr->items) load(item.get());
    if (!expr->arguments) return;
    for (const auto& argument : expr->arguments->positional) load(argument.get());
    for (const auto& [name, argument] : expr->arguments->keyword) load(argument.get());
    load(expr->arguments->star.get());
    load(expr->arguments->double_star.get());
  }

  void store(const Expr& target) {
    if (target.kind != ExprKind::Tuple) touch(target.id, target.kind == ExprKind::Name ? State::Stored : State::Loaded);
    for (const auto& item : target.items) store(*item);
  }

  void visit(const Stmt& stmt) {
    switch (stmt.kind) {
      case StmtKind::If: return visit_if(stmt);
      case StmtKind::Macro: return touch(stmt.id, State::Stored);
      case StmtKind::With:
        for (const auto& [target, value] : stmt.assignments) load(value.get());
        return;
      default: load(stmt.expr.get());
    }
    if (stmt.kind == StmtKind::Set || stmt.kind == StmtKind::SetBlock) store(*stmt.target);
  }

  // The reference takes what a branch assigns for something that may still come from outside, even when all do.
  void visit_if(const Stmt& stmt) {
    const auto outer = touched_.size();
    for (const auto& [condition, body] : stmt.branches) {
      load(condition.get());
      visit(body);
    }
    for (size_t i = outer; i < touched_.size(); ++i) states_[static_cast<size_t>(touched_[i])] = State::Loaded;
  }

  std::vector<State> states_;
  std::vector<int> touched_ = {};  // in the order of their first use
};

}  // namespace

std::vector<int> hidden_names(const Program& program) {
  RootScope scope(program.names.size());
  scope.visit(program.body);
  return scope.hidden();
}

}  // namespace transformers::jinja
