#include "transformers/tokenizers/jinja/interpreter.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/lexer.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

Interpreter::Interpreter(const Program& program, const Json& variables) : program_(program) {
  root_.resize(program.names.size());
  for (size_t i = 0; i < root_.size(); ++i) {
    if (const auto* row = find_row(kFunctions, program.names[i])) {
      auto& function = make<FunctionObject>();
      function.row = row;
      root_[i] = Value(row->name == "dict" ? Kind::DictType : Kind::Function, &function);
    }
    if (const Json* value = variables.find(program.names[i])) root_[i] = import(*value);
  }
  most_memory_ = kMaxMemory + 4 * memory_;
  memory_ = 0;
  for (const int id : program.hidden) root_[static_cast<size_t>(id)] = Value();
}

std::string Interpreter::run() {
  std::string out;
  out_ = &out;
  stack_ = static_cast<const char*>(__builtin_frame_address(0));
  exec(program_.body);
  return out;
}

void Interpreter::fail(std::string_view what) const { fail_at(line_, what); }

void Interpreter::fail_undefined(const Value& value) const {
  const Expr* origin = value.origin();
  if (!origin) fail("expected a value, found an undefined one");
  if (value.is_unsafe()) fail(str(quote(origin->name), " would change its object, and templates may not"));
  if (origin->kind == ExprKind::Attribute) fail(str("the attribute ", quote(origin->name), " is undefined"));
  if (origin->kind == ExprKind::Name) fail(str(quote(origin->name), " is undefined"));
  fail("expected a value, found an element that does not exist");
}

void Interpreter::charge_text(size_t bytes) {
  if (bytes > kMaxText) fail(str("expected texts of at most ", kMaxText, " bytes"));
  charge(1 + bytes / 128);
}

void Interpreter::check_stack() const {
  const char* here = static_cast<const char*>(__builtin_frame_address(0));
  const size_t used = static_cast<size_t>(here < stack_ ? stack_ - here : here - stack_);
  if (stack_ && used > kMaxStack) fail("the template recurses too deep");
}

Value Interpreter::text(std::string bytes) {
  charge_text(bytes.size());
  auto text = std::make_shared<Text>();
  charge_memory(bytes.capacity() + sizeof(Text));
  text->counter = &memory_;
  text->counted = bytes.capacity() + sizeof(Text);
  text->points = count_points(bytes);
  text->bytes = std::move(bytes);
  return Value(std::shared_ptr<const Text>(std::move(text)));
}

Value Interpreter::list(std::vector<Value> items) {
  charge(items.size() / 4);
  charge_items(items.capacity());
  auto& array = make<Array>();
  array.items = std::move(items);
  return {Kind::List, &array};
}

Value Interpreter::tuple(std::vector<Value> items) {
  const Value value = list(std::move(items));
  return {Kind::Tuple, value.object()};
}

Value Interpreter::generator(std::function<bool(Value&)> next) {
  auto& made = make<Generator>();
  made.next = std::move(next);
  return {Kind::Generator, &made};
}

Value Interpreter::import(const Json& json, int depth) {
  if (depth > 512) fail("a variable is nested deeper than 512 levels");
  if (json.is_null()) return Value::none();
  if (json.is_bool()) return Value(json.as_bool());
  if (json.is_int()) return Value(json.as_int());
  if (json.is_double()) return Value(json.as_double());
  if (json.is_string()) {
    auto made = std::make_shared<Text>();
    made->bytes = json.as_string();
    made->points = count_points(made->bytes);
    memory_ += made->bytes.size();
    return Value(std::shared_ptr<const Text>(std::move(made)));
  }
  if (json.is_array()) {
    auto& array = make<Array>();
    array.items.reserve(json.size());
    charge_items(json.size());
    for (const auto& item : json.as_array()) array.items.push_back(import(item, depth + 1));
    return {Kind::List, &array};
  }
  auto& dict = make<Dict>();
  for (const auto& [key, value] : json.as_object()) dict.set(*this, import(Json(key)), import(value, depth + 1));
  steps_ = 0;  // the size of the variables is the caller's business
  return {Kind::Dict, &dict};
}

void Interpreter::emit(std::string_view text) {
  charge_text(out_->size() + text.size() > kMaxText ? kMaxText + 1 : text.size());
  *out_ += text;
}

void Interpreter::store(int id, Value value) {
  if (!frame_) {
    root_[static_cast<size_t>(id)] = std::move(value);
    return;
  }
  charge(frame_->slots.size() / 16);
  for (auto& [slot, old] : frame_->slots)
    if (slot == id) {
      old = std::move(value);
      return;
    }
  frame_->slots.emplace_back(id, std::move(value));
}

void Interpreter::assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::Name) return store(target.id, value);
  line_ = target.line;
  if (target.kind == ExprKind::NamespaceRef) {
    const Value object = eval_name(target);
    if (!object.is(Kind::Namespace))
      fail(str("expected a namespace to set ", quote(target.name), " of, found ", type_name(object)));
    if (target.name.starts_with('_')) fail(str("a namespace cannot hold ", quote(target.name), ": rename it"));
    return object.as<NamespaceObject>().attributes.set(*this, text(target.name), value);
  }
  const auto items = collect(*this, value);
  if (items.size() != target.items.size())
    fail(str("expected ", target.items.size(), " values to unpack, found ", items.size()));
  for (size_t i = 0; i < items.size(); ++i) assign(*target.items[i], items[i]);
}

Interpreter::Flow Interpreter::exec(const Body& body) {
  for (const auto& stmt : body)
    if (const Flow flow = exec(*stmt); flow != Flow::Normal) return flow;
  return Flow::Normal;
}

Interpreter::Flow Interpreter::exec(const Stmt& stmt) {
  charge(1);
  check_stack();
  line_ = stmt.line;
  switch (stmt.kind) {
    case StmtKind::Data: emit(stmt.text); break;
    case StmtKind::Output: {
      const Value value = eval(*stmt.expr);
      emit(value.is_string() ? std::string_view(value.text()) : std::string_view(to_text(*this, value)));
      break;
    }
    case StmtKind::For: return exec_for(stmt);
    case StmtKind::If: return exec_if(stmt);
    case StmtKind::Set: assign(*stmt.target, eval(*stmt.expr)); break;
    case StmtKind::SetBlock: return exec_set_block(stmt);
    case StmtKind::Macro: exec_macro(stmt); break;
    case StmtKind::CallBlock: exec_call_block(stmt); break;
    case StmtKind::FilterBlock: return exec_filter_block(stmt);
    case StmtKind::With: return exec_with(stmt);
    case StmtKind::Break: return Flow::Break;
    case StmtKind::Continue: return Flow::Continue;
    case StmtKind::Scope: return exec_scope(stmt.body);
    case StmtKind::Unsupported:
      fail(str("the tag ", quote(stmt.text), " needs another template, and a chat template stands alone"));
  }
  return Flow::Normal;
}

Interpreter::Flow Interpreter::exec_if(const Stmt& stmt) {
  for (const auto& [condition, body] : stmt.branches)
    if (!condition || truth(*this, eval(*condition))) return exec(body);
  return Flow::Normal;
}

Interpreter::Flow Interpreter::exec_scope(const Body& body) {
  const auto outer = frame_;
  frame_ = std::make_shared<Frame>(Frame{.parent = outer});
  const Flow flow = exec(body);
  frame_ = outer;
  return flow;
}

Interpreter::Flow Interpreter::exec_with(const Stmt& stmt) {
  const auto outer = frame_;
  const auto inner = std::make_shared<Frame>(Frame{.parent = outer});
  for (const auto& [target, expr] : stmt.assignments) {
    const Value value = eval(*expr);
    frame_ = inner;
    assign(*target, value);
    frame_ = outer;
  }
  frame_ = inner;
  const Flow flow = exec(stmt.body);
  frame_ = outer;
  return flow;
}

Interpreter::Flow Interpreter::capture(const Body& body, std::string& out) {
  std::string* const outer = std::exchange(out_, &out);
  const Flow flow = exec_scope(body);
  out_ = outer;
  return flow;
}

// A `break` inside drops what was rendered, as it does in the reference.
Interpreter::Flow Interpreter::exec_set_block(const Stmt& stmt) {
  std::string out;
  if (const Flow flow = capture(stmt.body, out); flow != Flow::Normal) return flow;
  captured_ = text(std::move(out));
  assign(*stmt.target, eval(*stmt.expr));
  return Flow::Normal;
}

Interpreter::Flow Interpreter::exec_filter_block(const Stmt& stmt) {
  std::string out;
  if (const Flow flow = capture(stmt.body, out); flow != Flow::Normal) return flow;
  captured_ = text(std::move(out));
  emit(to_text(*this, eval(*stmt.expr)));
  return Flow::Normal;
}

}  // namespace transformers::jinja
