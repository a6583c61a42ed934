#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"

namespace transformers::jinja {

Value Interpreter::eval(const Expr& expr) {
  if (expr.kind == ExprKind::Const) return expr.value;
  charge(1);
  line_ = expr.line;
  if (expr.kind == ExprKind::Name) return eval_name(expr);
  check_stack();
  switch (expr.kind) {
    case ExprKind::List:
    case ExprKind::Tuple: return eval_array(expr);
    case ExprKind::Dict: return eval_dict(expr);
    case ExprKind::Attribute: return get_attribute(*this, eval(*expr.items[0]), expr.name, &expr);
    case ExprKind::Item: return eval_item(expr);
    case ExprKind::Call: return eval_call(expr);
    case ExprKind::Filter:
    case ExprKind::Test: return eval_filter(expr);
    case ExprKind::Not: return Value(!truth(*this, eval(*expr.items[0])));
    case ExprKind::Negative:
    case ExprKind::Positive: return negate(*this, eval(*expr.items[0]), expr.kind == ExprKind::Negative);
    case ExprKind::And:
    case ExprKind::Or: {
      Value left = eval(*expr.items[0]);
      return truth(*this, left) == (expr.kind == ExprKind::Or) ? left : eval(*expr.items[1]);
    }
    case ExprKind::Binary: {
      const Value left = eval(*expr.items[0]), right = eval(*expr.items[1]);
      line_ = expr.line;
      return arithmetic(*this, expr.op, left, right);
    }
    case ExprKind::Concat: return eval_concat(expr);
    case ExprKind::Compare: return eval_compare(expr);
    case ExprKind::Conditional: {
      if (truth(*this, eval(*expr.items[0]))) return eval(*expr.items[1]);
      return expr.items.size() > 2 ? eval(*expr.items[2]) : Value::undefined(&expr);
    }
    case ExprKind::Captured: return captured_;
    default: return Value::none();  // a slice among several subscripts
  }
}

Value Interpreter::eval_filter(const Expr& expr) {
  const Value subject = eval(*expr.items[0]);
  const CallValues arguments = eval_arguments(*expr.arguments);
  if (expr.kind == ExprKind::Filter) return filter(expr.name, subject, arguments);
  return Value(test(expr.name, subject, arguments));
}

Value Interpreter::eval_name(const Expr& expr) {
  for (const Frame* frame = frame_.get(); frame; frame = frame->parent.get()) {
    charge(frame->slots.size() / 16);
    for (const auto& [id, value] : frame->slots)
      if (id == expr.id) return value;
  }
  const Value& value = root_[static_cast<size_t>(expr.id)];
  return value.is_missing() ? Value::undefined(&expr) : value;
}

Value Interpreter::eval_array(const Expr& expr) {
  std::vector<Value> items;
  items.reserve(expr.items.size());
  for (const auto& item : expr.items) items.push_back(eval(*item));
  return expr.kind == ExprKind::List ? list(std::move(items)) : tuple(std::move(items));
}

Value Interpreter::eval_dict(const Expr& expr) {
  auto& dict = make<Dict>();
  for (size_t i = 0; i < expr.items.size(); i += 2) {
    const Value key = eval(*expr.items[i]);
    dict.set(*this, key, eval(*expr.items[i + 1]));
  }
  return {Kind::Dict, &dict};
}

Value Interpreter::eval_item(const Expr& expr) {
  const Value object = eval(*expr.items[0]);
  const Expr& subscript = *expr.items[1];
  if (subscript.kind != ExprKind::Slice) return get_item(*this, object, eval(subscript), &expr);
  const auto part = [&](size_t i) { return subscript.items[i] ? eval(*subscript.items[i]) : Value::none(); };
  Value start = part(0), stop = part(1);
  const Value parts[3] = {std::move(start), std::move(stop), part(2)};
  return get_slice(*this, object, parts);
}

CallValues Interpreter::eval_arguments(const CallArguments& arguments) {
  CallValues values;
  for (const auto& argument : arguments.positional) values.positional.push_back(eval(*argument));
  for (const auto& [name, argument] : arguments.keyword) values.keyword.emplace_back(name, eval(*argument));
  if (arguments.star)
    for (auto& item : collect(*this, eval(*arguments.star))) values.positional.push_back(std::move(item));
  if (!arguments.double_star) return values;
  const Value more = eval(*arguments.double_star);
  if (!more.is(Kind::Dict)) fail(str("expected a mapping behind '**', found ", type_name(more)));
  for (const auto& [key, value] : more.as<Dict>().items) {
    if (!key.is_string()) fail("expected names as keys of the mapping behind '**'");
    charge(1 + values.keyword.size());
    for (const auto& known : values.keyword)
      if (known.first == key.text()) fail(str("the keyword argument ", quote(key.text()), " is given twice"));
    values.keyword.emplace_back(key.text(), value);
  }
  return values;
}

Value Interpreter::eval_call(const Expr& expr, const Value* caller) {
  const Value callee = eval(*expr.items[0]);
  CallValues arguments = eval_arguments(*expr.arguments);
  if (caller) arguments.keyword.emplace_back("caller", *caller);
  line_ = expr.line;
  return call(callee, arguments);
}

Value Interpreter::eval_concat(const Expr& expr) {
  std::string out;
  for (const auto& item : expr.items) {
    const Value value = eval(*item);
    if (value.is_string())
      out += value.text();
    else
      out += to_text(*this, value);
    charge_text(out.size() > kMaxText ? out.size() : 0);
  }
  return text(std::move(out));
}

Value Interpreter::eval_compare(const Expr& expr) {
  Value left = eval(*expr.items[0]);
  for (size_t i = 0; i < expr.comparisons.size(); ++i) {
    Value right = eval(*expr.items[i + 1]);
    if (!compare(*this, expr.comparisons[i], left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::filter(std::string_view name, const Value& subject, const CallValues& arguments) {
  const Builtin* row = find_filter(name);
  if (!row) fail(unknown_filter(name));
  return invoke(*this, *row, subject, arguments);
}

bool Interpreter::test(std::string_view name, const Value& subject, const CallValues& arguments) {
  const Builtin* row = find_test(name);
  if (!row) fail(unknown_test(name));
  return truth(*this, invoke(*this, *row, subject, arguments));
}

}  // namespace transformers::jinja
