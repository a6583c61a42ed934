#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"

namespace transformers::jinja {

LoopObject& Interpreter::make_loop(const Stmt& stmt, const Value& iterable, std::shared_ptr<Frame> frame,
                                   int64_t depth) {
  auto& loop = make<LoopObject>();
  loop.stmt = &stmt;
  loop.frame = std::move(frame);
  loop.depth0 = depth;
  loop.iterable = iterable;
  loop.cursor = Cursor(*this, iterable);
  if (!stmt.test) return loop;
  auto source = std::make_shared<Cursor>(loop.cursor);
  loop.iterable = generator(
      [this, &stmt, outer = loop.frame, source](Value& item) { return next_matching(stmt, outer, *source, item); });
  loop.cursor = Cursor(*this, loop.iterable);
  return loop;
}

bool Interpreter::next_matching(const Stmt& stmt, const std::shared_ptr<Frame>& outer, Cursor& source, Value& item) {
  const auto saved = frame_;
  bool found = false;
  while (!found && source.next(*this, item)) {
    frame_ = std::make_shared<Frame>(Frame{.parent = outer});
    assign(*stmt.target, item);
    found = truth(*this, eval(*stmt.test));
  }
  frame_ = saved;
  return found;
}

Interpreter::Flow Interpreter::exec_for(const Stmt& stmt) {
  return run_loop(stmt, make_loop(stmt, eval(*stmt.expr), frame_, 0));
}

// The frame of each turn is fresh. `else` runs when no turn ended normally: `break` and `continue` skip the mark that
// the reference sets behind the body.
Interpreter::Flow Interpreter::run_loop(const Stmt& stmt, LoopObject& loop) {
  const auto outer = frame_;
  bool completed = false;
  Value item;
  while (advance_loop(*this, loop, item)) {
    charge(1);
    frame_ = std::make_shared<Frame>(Frame{.parent = outer});
    assign(*stmt.target, item);
    store(kLoopName, Value(Kind::Loop, &loop));
    const Flow flow = exec(stmt.body);
    if (flow == Flow::Break) break;
    completed = completed || flow == Flow::Normal;
  }
  frame_ = outer;
  return completed || stmt.otherwise.empty() ? Flow::Normal : exec_scope(stmt.otherwise);
}

Value Interpreter::call_loop(LoopObject& loop, const CallValues& arguments) {
  if (!loop.stmt->is_recursive) fail("expected a loop marked 'recursive' to call");
  if (arguments.positional.size() != 1 || !arguments.keyword.empty()) fail("expected one argument for loop(…)");
  if (++calls_ > kMaxCalls) fail("the template recurses too deep");
  const auto saved = std::exchange(frame_, loop.frame);
  std::string out;
  std::string* const outer = std::exchange(out_, &out);
  run_loop(*loop.stmt, make_loop(*loop.stmt, arguments.positional[0], loop.frame, loop.depth0 + 1));
  out_ = outer;
  frame_ = saved;
  --calls_;
  return text(std::move(out));
}

void Interpreter::exec_macro(const Stmt& stmt) {
  auto& macro = make<MacroObject>();
  if (frame_) charge_items(2 * (frame_->slots.size() + 1));  // it keeps its frame
  macro.stmt = &stmt;
  macro.frame = frame_;
  store(stmt.id, Value(Kind::Macro, &macro));
}

void Interpreter::exec_call_block(const Stmt& stmt) {
  auto& macro = make<MacroObject>();
  macro.stmt = &stmt;
  macro.frame = frame_;
  const Value caller(Kind::Macro, &macro);
  const Value result = eval_call(*stmt.expr, &caller);
  emit(to_text(*this, result));
}

Value Interpreter::call_macro(MacroObject& macro, const CallValues& arguments) {
  if (++calls_ > kMaxCalls) fail("the template recurses too deep");
  const auto saved = std::exchange(frame_, std::make_shared<Frame>(Frame{.parent = macro.frame}));
  std::string out;
  std::string* const outer = std::exchange(out_, &out);
  bind_macro(*macro.stmt, arguments);
  exec(macro.stmt->body);
  out_ = outer;
  frame_ = saved;
  --calls_;
  return text(std::move(out));
}

void Interpreter::bind_macro(const Stmt& stmt, const CallValues& arguments) {
  auto keyword = arguments.keyword;
  const auto take = [&](std::string_view name) {
    const auto it = std::find_if(keyword.begin(), keyword.end(), [&](const auto& item) { return item.first == name; });
    if (it == keyword.end()) return Value();
    Value value = std::move(it->second);
    keyword.erase(it);
    return value;
  };
  const auto& positional = arguments.positional;
  for (size_t i = 0; i < stmt.parameters.size(); ++i) {
    const auto& parameter = stmt.parameters[i];
    Value value = i < positional.size() ? positional[i] : take(parameter.name);
    if (value.is_missing()) value = parameter.fallback ? eval(*parameter.fallback) : Value::undefined();
    store(parameter.id, std::move(value));
  }
  if (stmt.uses_caller) {
    Value caller = take("caller");
    store(kCallerName, caller.is_missing() || caller.is_none() ? Value::undefined() : std::move(caller));
  }
  if (stmt.uses_kwargs) {
    auto& dict = make<Dict>();
    for (auto& [name, value] : keyword) dict.set(*this, text(name), std::move(value));
    store(kKwargsName, Value(Kind::Dict, &dict));
  } else if (!keyword.empty()) {
    fail(str("macro ", quote(stmt.text), " has no parameter ", quote(keyword.front().first)));
  }
  const size_t taken = std::min(positional.size(), stmt.parameters.size());
  if (stmt.uses_varargs)
    store(kVarargsName, tuple({positional.begin() + static_cast<ptrdiff_t>(taken), positional.end()}));
  else if (positional.size() > taken)
    fail(str("macro ", quote(stmt.text), " takes at most ", stmt.parameters.size(), " arguments, found ",
             positional.size()));
}

Value Interpreter::call(const Value& callee, const CallValues& arguments) {
  check_stack();
  switch (callee.kind()) {
    case Kind::Undefined: fail_undefined(callee);
    case Kind::Macro: return call_macro(callee.as<MacroObject>(), arguments);
    case Kind::Loop: return call_loop(callee.as<LoopObject>(), arguments);
    case Kind::DictType:
    case Kind::Function:
    case Kind::Method: {
      const auto& function = callee.as<FunctionObject>();
      return invoke(*this, *function.row, function.self, arguments);
    }
    case Kind::Joiner: {
      auto& joiner = callee.as<JoinerObject>();
      if (!arguments.positional.empty() || !arguments.keyword.empty()) fail("a joiner is called without arguments");
      return std::exchange(joiner.used, true) ? joiner.separator : text("");
    }
    default: fail(str("expected something to call, found ", type_name(callee)));
  }
}

}  // namespace transformers::jinja
