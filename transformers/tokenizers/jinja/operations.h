#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "transformers/tokenizers/jinja/ast.h"
#include "transformers/tokenizers/jinja/builtins.h"

namespace transformers::jinja {

/// Python's operations on values. They throw ValueError, through the interpreter, where Python raises.

[[nodiscard]] std::string_view type_name(const Value& value);
[[nodiscard]] bool truth(Interpreter& in, const Value& value);
/// Length, or -1 for what has none.
[[nodiscard]] int64_t length_or_none(const Value& value);
[[nodiscard]] std::vector<Value> collect(Interpreter& in, const Value& iterable);

[[nodiscard]] bool equal(Interpreter& in, const Value& a, const Value& b);
[[nodiscard]] bool less(Interpreter& in, const Value& a, const Value& b);
[[nodiscard]] bool compare(Interpreter& in, Operator op, const Value& a, const Value& b);
[[nodiscard]] bool is_hashable(const Value& value);
[[nodiscard]] size_t hash_value(Interpreter& in, const Value& value);
[[nodiscard]] bool contains(Interpreter& in, const Value& container, const Value& item);

[[nodiscard]] Value arithmetic(Interpreter& in, Operator op, const Value& a, const Value& b);
[[nodiscard]] Value negate(Interpreter& in, const Value& value, bool negative);

[[nodiscard]] Value get_attribute(Interpreter& in, const Value& object, std::string_view name, const Expr* origin);
[[nodiscard]] Value get_item(Interpreter& in, const Value& object, const Value& key, const Expr* origin);
[[nodiscard]] Value get_slice(Interpreter& in, const Value& object, const Value (&parts)[3]);
[[nodiscard]] Value loop_attribute(Interpreter& in, LoopObject& loop, std::string_view name);
/// The next item, counting those taken ahead.
bool advance_loop(Interpreter& in, LoopObject& loop, Value& item);

/// `str(value)` and `repr(value)`.
[[nodiscard]] std::string to_text(Interpreter& in, const Value& value);
void append_repr(Interpreter& in, std::string& out, const Value& value);
void append_string_repr(std::string& out, std::string_view text, bool ascii_only = false);

struct JsonStyle {
  bool ensure_ascii = false, sort_keys = false, multiline = false;
  std::string indent = {}, item_separator = ", ", key_separator = ": ";
};
[[nodiscard]] std::string to_json(Interpreter& in, const Value& value, const JsonStyle& style);

/// `format % arguments`, `format.format(arguments…)` and `format(value, spec)`.
[[nodiscard]] std::string format_percent(Interpreter& in, std::string_view format, const Value& arguments);
[[nodiscard]] std::string format_braces(Interpreter& in, std::string_view format, const CallValues& arguments);
[[nodiscard]] std::string format_spec(Interpreter& in, const Value& value, std::string_view spec);

}  // namespace transformers::jinja
