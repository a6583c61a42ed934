#include <cmath>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"

namespace transformers::jinja {

namespace {

[[noreturn]] void fail_overflow(Interpreter& in) { in.fail("an integer does not fit into 64 bits"); }

int64_t power(Interpreter& in, int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) fail_overflow(in);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow(in);
  }
  return result;
}

// Python rounds quotients towards minus infinity, and a remainder has the sign of the divisor.
Value divide_integers(Interpreter& in, Operator op, int64_t a, int64_t b) {
  if (b == 0) in.fail("division by zero");
  if (op == Operator::Div) return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
  if (b == -1) {
    if (op == Operator::Mod) return Value(int64_t{0});
    int64_t negated = 0;
    if (__builtin_sub_overflow(int64_t{0}, a, &negated)) fail_overflow(in);
    return Value(negated);
  }
  const int64_t remainder = a % b;
  const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
  return Value(op == Operator::Mod ? remainder + (adjust ? b : 0) : a / b - (adjust ? 1 : 0));
}

Value integers(Interpreter& in, Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::Add: overflow = __builtin_add_overflow(a, b, &result); break;
    case Operator::Sub: overflow = __builtin_sub_overflow(a, b, &result); break;
    case Operator::Mul: overflow = __builtin_mul_overflow(a, b, &result); break;
    case Operator::Pow:
      if (b >= 0) return Value(a == 0 && b > 0 ? int64_t{0} : power(in, a, b));
      if (a == 0) in.fail("zero to a negative power");
      return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
    default: return divide_integers(in, op, a, b);
  }
  if (overflow) fail_overflow(in);
  return Value(result);
}

Value floats(Interpreter& in, Operator op, double a, double b) {
  const auto finite = [&](double result) {
    if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) in.fail("a power is too large");
    return Value(result);
  };
  switch (op) {
    case Operator::Add: return Value(a + b);
    case Operator::Sub: return Value(a - b);
    case Operator::Mul: return Value(a * b);
    case Operator::Pow:
      if (a == 0 && b < 0) in.fail("zero to a negative power");
      if (a < 0 && b != std::floor(b) && std::isfinite(a)) in.fail("a fractional power of a negative number");
      return finite(std::pow(a, b));
    default: break;
  }
  if (b == 0) in.fail("division by zero");
  if (op == Operator::Div) return Value(a / b);
  double remainder = std::fmod(a, b);
  const bool adjust = remainder != 0 && (b < 0) != (remainder < 0);
  if (adjust) remainder += b;
  if (op == Operator::Mod) return Value(remainder == 0 ? std::copysign(0.0, b) : remainder);
  const double quotient = (a - remainder) / b;
  if (quotient == 0) return Value(std::copysign(0.0, a / b));
  const double floor = std::floor(quotient);
  return Value(quotient - floor > 0.5 ? floor + 1 : floor);
}

Value repeat(Interpreter& in, const Value& value, int64_t count) {
  const auto times = static_cast<size_t>(count < 0 ? 0 : count);
  if (value.is_string()) {
    size_t total = 0;
    if (__builtin_mul_overflow(value.text().size(), times, &total)) total = SIZE_MAX;
    in.charge_text(total);
    in.check_memory(total);
    std::string out;
    out.reserve(total);
    for (size_t i = 0; i < times && total > 0; ++i) out += value.text();
    return in.text(std::move(out));
  }
  size_t total = 0;
  if (__builtin_mul_overflow(value.items().size(), times, &total)) total = SIZE_MAX / 2;
  in.charge(total > kMaxSteps ? kMaxSteps : total);
  in.check_memory(total * sizeof(Value));
  std::vector<Value> items;
  items.reserve(total);
  for (size_t i = 0; i < times && total > 0; ++i) items.insert(items.end(), value.items().begin(), value.items().end());
  return value.is(Kind::List) ? in.list(std::move(items)) : in.tuple(std::move(items));
}

Value concatenate(Interpreter& in, const Value& a, const Value& b) {
  if (a.is_string()) {
    in.charge_text(a.text().size() + b.text().size());
    return in.text(a.text() + b.text());
  }
  in.charge((a.items().size() + b.items().size()) / 4);
  in.check_memory((a.items().size() + b.items().size()) * sizeof(Value));
  std::vector<Value> items;
  items.reserve(a.items().size() + b.items().size());
  items.insert(items.end(), a.items().begin(), a.items().end());
  items.insert(items.end(), b.items().begin(), b.items().end());
  return a.is(Kind::List) ? in.list(std::move(items)) : in.tuple(std::move(items));
}

}  // namespace

Value arithmetic(Interpreter& in, Operator op, const Value& a, const Value& b) {
  const auto is_sequence = [](const Value& value) { return value.is_string() || value.is_array(); };
  if (op == Operator::Mod && a.is_string()) return in.text(format_percent(in, a.text(), b));
  if (a.is_undefined() || b.is_undefined()) in.fail_undefined(a.is_undefined() ? a : b);
  if (a.is_integral() && b.is_integral()) return integers(in, op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return floats(in, op, a.number(), b.number());
  if (op == Operator::Add && a.kind() == b.kind() && is_sequence(a)) return concatenate(in, a, b);
  if (op == Operator::Mul && is_sequence(a) && b.is_integral()) return repeat(in, a, b.integer());
  if (op == Operator::Mul && is_sequence(b) && a.is_integral()) return repeat(in, b, a.integer());
  in.fail(str("expected operands that fit each other, found ", type_name(a), " and ", type_name(b)));
}

Value negate(Interpreter& in, const Value& value, bool negative) {
  if (value.is_undefined()) in.fail_undefined(value);
  if (value.is(Kind::Float)) return Value(negative ? -value.number() : value.number());
  if (!value.is_integral()) in.fail(str("expected a number behind the sign, found ", type_name(value)));
  int64_t result = value.integer();
  if (negative && __builtin_sub_overflow(int64_t{0}, value.integer(), &result)) fail_overflow(in);
  return Value(result);
}

}  // namespace transformers::jinja
