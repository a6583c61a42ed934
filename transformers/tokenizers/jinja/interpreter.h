#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/tokenizers/jinja/ast.h"
#include "transformers/tokenizers/jinja/builtins.h"

namespace transformers::jinja {

constexpr size_t kMaxText = size_t{64} << 20;  // bytes of any one string, the output included
constexpr size_t kMaxMemory =
    size_t{64} << 20;                    // bytes of all values of a rendering, and four times its variables besides
constexpr size_t kMaxSteps = 4'000'000;  // about half a second
constexpr size_t kMaxStack = size_t{3} << 19;  // bytes
constexpr int kMaxCalls = 200;                 // macros and recursive loops within each other
constexpr int64_t kMaxRange = 100'000;         // as the reference's sandbox

/// One rendering of a program: its variables, output, limits, and all values that it makes.
class Interpreter {
 public:
  Interpreter(const Program& program, const Json& variables);
  [[nodiscard]] std::string run();

  /// Throws ValueError naming the line that is being rendered.
  [[noreturn]] void fail(std::string_view what) const;
  /// Throws for a use of an undefined value, naming the variable or attribute.
  [[noreturn]] void fail_undefined(const Value& value) const;
  /// Counts work; throws when the template does too much of it, or recurses too deep.
  void charge(size_t steps) {
    if ((steps_ += steps) > kMaxSteps) fail("the template does more work than any chat needs; it was stopped");
  }
  /// Counts memory that lives as long as the rendering: that of everything but texts, as values may refer to each other
  /// in circles.
  void charge_memory(size_t bytes) {
    check_memory(bytes);
    memory_ += bytes;
  }
  void charge_items(size_t count) { charge_memory(count * sizeof(Value)); }
  /// Throws when so much more memory is not to be had: asked before a vector or a text is made.
  void check_memory(size_t bytes) const {
    if (bytes > most_memory_ - memory_) fail("the template makes larger values than any chat needs; it was stopped");
  }
  /// Charges for handling `bytes` of text and refuses more than any text may have.
  void charge_text(size_t bytes);
  void check_stack() const;

  Value text(std::string bytes);
  Value list(std::vector<Value> items);
  Value tuple(std::vector<Value> items);
  Value generator(std::function<bool(Value&)> next);
  template <class T>
  T& make() {
    charge_memory(sizeof(T) + kPerObject);
    objects_.push_back(std::make_unique<T>());
    return static_cast<T&>(*objects_.back());
  }

  Value call(const Value& callee, const CallValues& arguments);
  Value filter(std::string_view name, const Value& subject, const CallValues& arguments);
  bool test(std::string_view name, const Value& subject, const CallValues& arguments);

 private:
  static constexpr size_t kPerObject = 32;  // what an allocation costs besides
  enum class Flow : uint8_t { Normal, Break, Continue };
  friend struct LoopAccess;

  // statements
  Flow exec(const Body& body);
  Flow exec(const Stmt& stmt);
  Flow exec_if(const Stmt& stmt);
  Flow exec_for(const Stmt& stmt);
  Flow run_loop(const Stmt& stmt, LoopObject& loop);
  Flow exec_scope(const Body& body);
  Flow exec_with(const Stmt& stmt);
  Flow exec_set_block(const Stmt& stmt);
  Flow exec_filter_block(const Stmt& stmt);
  void exec_macro(const Stmt& stmt);
  void exec_call_block(const Stmt& stmt);
  Flow capture(const Body& body, std::string& out);
  void emit(std::string_view text);
  void assign(const Expr& target, const Value& value);
  void store(int id, Value value);
  LoopObject& make_loop(const Stmt& stmt, const Value& iterable, std::shared_ptr<Frame> frame, int64_t depth);
  bool next_matching(const Stmt& stmt, const std::shared_ptr<Frame>& outer, Cursor& source, Value& item);
  Value call_loop(LoopObject& loop, const CallValues& arguments);
  Value call_macro(MacroObject& macro, const CallValues& arguments);
  void bind_macro(const Stmt& stmt, const CallValues& arguments);

  // expressions
  Value eval(const Expr& expr);
  Value eval_filter(const Expr& expr);
  Value eval_name(const Expr& expr);
  Value eval_array(const Expr& expr);
  Value eval_dict(const Expr& expr);
  Value eval_item(const Expr& expr);
  Value eval_call(const Expr& expr, const Value* caller = nullptr);
  Value eval_concat(const Expr& expr);
  Value eval_compare(const Expr& expr);
  CallValues eval_arguments(const CallArguments& arguments);
  Value import(const Json& json, int depth = 0);

  const Program& program_;
  size_t memory_ = 0, most_memory_ = SIZE_MAX;  // of all values; set once the variables are there
  std::vector<std::unique_ptr<Object>> objects_ = {};
  std::vector<Value> root_ = {};       // by number of the name
  std::shared_ptr<Frame> frame_ = {};  // null at the top level
  Value captured_ = {};                // what a filter block or a set block rendered
  std::string* out_ = nullptr;
  size_t steps_ = 0;
  int calls_ = 0;
  int line_ = 1;
  const char* stack_ = nullptr;
};

}  // namespace transformers::jinja
