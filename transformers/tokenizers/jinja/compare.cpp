#include <algorithm>
#include <cmath>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

// Exact, as Python's: an integer is not rounded to a double first. Unordered (NaN) gives 2.
int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
  if (a.is(Kind::Float) && b.is(Kind::Float))
    return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : a.number() == b.number() ? 0 : 2;
  const bool swapped = a.is(Kind::Float);
  const int64_t whole = (swapped ? b : a).integer();
  const double number = (swapped ? a : b).number();
  if (std::isnan(number)) return 2;
  int order = 0;
  if (number >= 0x1p63) {
    order = -1;
  } else if (number < -0x1p63) {
    order = 1;
  } else {
    const auto floor = static_cast<int64_t>(std::floor(number));
    order = whole < floor ? -1 : whole > floor ? 1 : number > std::floor(number) ? -1 : 0;
  }
  return swapped ? -order : order;
}

bool equal_dicts(Interpreter& in, const Dict& a, const Dict& b) {
  if (a.items.size() != b.items.size()) return false;
  return std::all_of(a.items.begin(), a.items.end(), [&](const auto& item) {
    const Value* other = b.find(in, item.first);
    return other && equal(in, item.second, *other);
  });
}

bool equal_ranges(const Range& a, const Range& b) {
  if (a.size() != b.size() || a.size() == 0) return a.size() == b.size();
  return a.start == b.start && (a.size() == 1 || a.step == b.step);
}

bool equal_views(Interpreter& in, const View& a, const View& b) {
  if (a.kind != b.kind || a.kind == ViewKind::Values) return &a == &b;
  if (a.dict->items.size() != b.dict->items.size()) return false;
  return std::all_of(a.dict->items.begin(), a.dict->items.end(), [&](const auto& item) {
    const Value* other = b.dict->find(in, item.first);
    return other && (a.kind == ViewKind::Keys || equal(in, item.second, *other));
  });
}

}  // namespace

bool equal(Interpreter& in, const Value& a, const Value& b) {
  in.charge(1);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::Undefined:
    case Kind::None: return true;
    case Kind::String:
      in.charge(a.text().size() == b.text().size() ? a.text().size() / 256 : 0);
      return a.text() == b.text();
    case Kind::List:
    case Kind::Tuple:
      in.check_stack();
      return a.object() == b.object() ||
             std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                        [&](const Value& x, const Value& y) { return equal(in, x, y); });
    case Kind::Dict: in.check_stack(); return a.object() == b.object() || equal_dicts(in, a.as<Dict>(), b.as<Dict>());
    case Kind::Range: return equal_ranges(a.as<Range>(), b.as<Range>());
    case Kind::View: return equal_views(in, a.as<View>(), b.as<View>());
    case Kind::Method:
    case Kind::Function: {
      const auto &x = a.as<FunctionObject>(), &y = b.as<FunctionObject>();
      return x.row == y.row && x.self.object() == y.self.object();
    }
    default: return a.object() == b.object();
  }
}

// Less, equal or greater for `<`, `<=`, `>` and `>=`; 2 when unordered; throws for kinds without an order.
static int order(Interpreter& in, const Value& a, const Value& b) {
  in.charge(1);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is_undefined() || b.is_undefined()) in.fail_undefined(a.is_undefined() ? a : b);
  if (a.is_string() && b.is_string()) {
    in.charge(std::min(a.text().size(), b.text().size()) / 256);
    const int sign = a.text().compare(b.text());
    return sign < 0 ? -1 : sign > 0;
  }
  if (a.kind() != b.kind() || !a.is_array())
    in.fail(str("expected two values that have an order, found ", type_name(a), " and ", type_name(b)));
  in.check_stack();
  const auto &x = a.items(), &y = b.items();
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
    if (!equal(in, x[i], y[i])) return order(in, x[i], y[i]);
  return x.size() < y.size() ? -1 : x.size() > y.size();
}

bool less(Interpreter& in, const Value& a, const Value& b) { return order(in, a, b) == -1; }

bool compare(Interpreter& in, Operator op, const Value& a, const Value& b) {
  switch (op) {
    case Operator::Eq: return equal(in, a, b);
    case Operator::Ne: return !equal(in, a, b);
    case Operator::In: return contains(in, b, a);
    case Operator::NotIn: return !contains(in, b, a);
    default: break;
  }
  const int sign = order(in, a, b);
  if (sign == 2) return false;
  if (op == Operator::Lt) return sign < 0;
  if (op == Operator::Le) return sign <= 0;
  return op == Operator::Gt ? sign > 0 : sign >= 0;
}

bool is_hashable(const Value& value) {
  if (value.is(Kind::List) || value.is(Kind::Dict)) return false;
  if (value.is(Kind::View)) return value.as<View>().kind == ViewKind::Values;
  if (!value.is(Kind::Tuple)) return true;
  return std::all_of(value.items().begin(), value.items().end(), [](const Value& item) { return is_hashable(item); });
}

size_t hash_value(Interpreter& in, const Value& value) {
  in.charge(1);
  switch (value.kind()) {
    case Kind::Undefined: return 7;
    case Kind::None: return 11;
    case Kind::Bool:
    case Kind::Int: return std::hash<int64_t>()(value.integer());
    case Kind::Float: {
      const double number = value.number();
      const bool whole = std::abs(number) < 0x1p62 && number == std::floor(number);
      return whole ? std::hash<int64_t>()(static_cast<int64_t>(number)) : std::hash<double>()(number);
    }
    case Kind::String: in.charge(value.text().size() / 256); return std::hash<std::string_view>()(value.text());
    case Kind::Tuple: {
      in.check_stack();
      size_t hash = 17;
      for (const auto& item : value.items()) hash = hash * 1000003 ^ hash_value(in, item);
      return hash;
    }
    default: break;
  }
  if (!is_hashable(value)) in.fail(str("expected a key that does not change, found ", type_name(value)));
  if (value.is(Kind::Method) || value.is(Kind::Range)) return 19;
  return std::hash<const void*>()(value.object());
}

bool contains(Interpreter& in, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (item.is_undefined()) in.fail_undefined(item);
    if (!item.is_string()) in.fail(str("expected a string on the left of 'in' a string, found ", type_name(item)));
    in.charge(1 + container.text().size() / 256);
    return find_bytes(container.text(), item.text()) != std::string_view::npos;
  }
  if (container.is(Kind::Dict)) return container.as<Dict>().find(in, item) != nullptr;
  if (container.is(Kind::View) && container.as<View>().kind == ViewKind::Keys)
    return container.as<View>().dict->find(in, item) != nullptr;
  if (container.is_none() || (container.is_number()))
    in.fail(str("expected a collection on the right of 'in', found ", type_name(container)));
  Cursor cursor(in, container);
  for (Value element; cursor.next(in, element);)
    if (equal(in, element, item)) return true;
  return false;
}

}  // namespace transformers::jinja
