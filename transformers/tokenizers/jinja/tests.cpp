#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

template <Operator op>
Value test_compare(Call& c) {
  return Value(compare(c.in, op, c.self, c.args[0]));
}

template <Kind kind>
Value test_kind(Call& c) {
  return Value(c.self.is(kind));
}

bool divides(Call& c, const Value& divisor) {
  return equal(c.in, arithmetic(c.in, Operator::Mod, c.self, divisor), Value(int64_t{0}));
}

Value test_odd(Call& c) {
  return Value(equal(c.in, arithmetic(c.in, Operator::Mod, c.self, Value(int64_t{2})), Value(int64_t{1})));
}
Value test_even(Call& c) { return Value(divides(c, Value(int64_t{2}))); }
Value test_divisibleby(Call& c) { return Value(divides(c, c.args[0])); }
Value test_defined(Call& c) { return Value(!c.self.is_undefined()); }
Value test_true(Call& c) { return Value(c.self.is(Kind::Bool) && c.self.integer() != 0); }
Value test_false(Call& c) { return Value(c.self.is(Kind::Bool) && c.self.integer() == 0); }
Value test_number(Call& c) { return Value(c.self.is_number()); }
Value test_escaped(Call&) { return Value(false); }
Value test_lower(Call& c) { return Value(is_class(to_text(c.in, c.self), "lower")); }
Value test_upper(Call& c) { return Value(is_class(to_text(c.in, c.self), "upper")); }
template <const Builtin* (*find)(std::string_view)>
Value test_known(Call& c) {
  if (!is_hashable(c.self)) c.in.fail(str("expected a name, found ", type_name(c.self)));
  return Value(c.self.is_string() && find(c.self.text()));
}

Value test_sequence(Call& c) {
  return Value(c.self.is_string() || c.self.is_array() || c.self.is(Kind::Dict) || c.self.is(Kind::Range) ||
               c.self.is_undefined());
}

Value test_iterable(Call& c) {
  return Value(c.self.is_string() || c.self.is_array() || c.self.is(Kind::Dict) || c.self.is(Kind::Range) ||
               c.self.is_undefined() || c.self.is(Kind::View) || c.self.is(Kind::Generator) || c.self.is(Kind::Loop));
}

Value test_callable(Call& c) {
  switch (c.self.kind()) {
    case Kind::Undefined:
    case Kind::Macro:
    case Kind::Loop:
    case Kind::Method:
    case Kind::Function:
    case Kind::DictType:
    case Kind::Joiner: return Value(true);
    default: return Value(false);
  }
}

// Identity: of what is a single object in Python, and of values that share storage here.
Value test_sameas(Call& c) {
  const Value &a = c.self, &b = c.args[0];
  if (a.kind() != b.kind()) return Value(false);
  switch (a.kind()) {
    case Kind::Undefined: return Value(a.origin() == b.origin());
    case Kind::None: return Value(true);
    case Kind::Bool:
    case Kind::Int: return Value(a.integer() == b.integer());
    case Kind::Float: return Value(a.number() == b.number());
    case Kind::String: return Value(a.text() == b.text());
    default: return Value(a.object() == b.object());
  }
}

Value test_in(Call& c) { return Value(contains(c.in, c.args[0], c.self)); }

constexpr Builtin kRows[] = {
    {"!=", test_compare<Operator::Ne>, "b", 1},
    {"<", test_compare<Operator::Lt>, "b", 1},
    {"<=", test_compare<Operator::Le>, "b", 1},
    {"==", test_compare<Operator::Eq>, "b", 1},
    {">", test_compare<Operator::Gt>, "b", 1},
    {">=", test_compare<Operator::Ge>, "b", 1},
    {"boolean", test_kind<Kind::Bool>},
    {"callable", test_callable},
    {"defined", test_defined},
    {"divisibleby", test_divisibleby, "num", 1},
    {"eq", test_compare<Operator::Eq>, "b", 1},
    {"equalto", test_compare<Operator::Eq>, "b", 1},
    {"escaped", test_escaped},
    {"even", test_even},
    {"false", test_false},
    {"filter", test_known<find_filter>},
    {"float", test_kind<Kind::Float>},
    {"ge", test_compare<Operator::Ge>, "b", 1},
    {"greaterthan", test_compare<Operator::Gt>, "b", 1},
    {"gt", test_compare<Operator::Gt>, "b", 1},
    {"in", test_in, "seq", 1},
    {"integer", test_kind<Kind::Int>},
    {"iterable", test_iterable},
    {"le", test_compare<Operator::Le>, "b", 1},
    {"lessthan", test_compare<Operator::Lt>, "b", 1},
    {"lower", test_lower},
    {"lt", test_compare<Operator::Lt>, "b", 1},
    {"mapping", test_kind<Kind::Dict>},
    {"ne", test_compare<Operator::Ne>, "b", 1},
    {"none", test_kind<Kind::None>},
    {"number", test_number},
    {"odd", test_odd},
    {"sameas", test_sameas, "other", 1},
    {"sequence", test_sequence},
    {"string", test_kind<Kind::String>},
    {"test", test_known<find_test>},
    {"true", test_true},
    {"undefined", test_kind<Kind::Undefined>},
    {"upper", test_upper},
};
static_assert(is_sorted_table(kRows));

}  // namespace

constinit const std::span<const Builtin> kTests = kRows;

}  // namespace transformers::jinja
