#include <cmath>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"

namespace transformers::jinja {

namespace {

template <ViewKind kind>
Value view(Call& c) {
  auto& made = c.in.make<View>();
  made.dict = &c.self.as<Dict>();
  made.kind = kind;
  return {Kind::View, &made};
}

Value dict_get(Call& c) {
  if (const Value* value = c.self.as<Dict>().find(c.in, c.args[0])) return *value;
  return c.has(1) ? c.args[1] : Value::none();
}

// Values cannot change, so a copy may share them; it is another object all the same.
Value dict_copy(Call& c) {
  auto& made = c.in.make<Dict>();
  c.in.charge(c.self.as<Dict>().items.size());
  for (const auto& [key, value] : c.self.as<Dict>().items) made.set(c.in, key, value);
  return {Kind::Dict, &made};
}

Value list_copy(Call& c) { return c.in.list(c.self.items()); }

Value count(Call& c) {
  int64_t found = 0;
  for (const auto& item : c.self.items()) found += equal(c.in, item, c.args[0]);
  return Value(found);
}

Value index(Call& c) {
  const auto size = static_cast<int64_t>(c.self.items().size());
  const auto bound = [&](int64_t at) { return at < 0 ? std::max<int64_t>(0, at + size) : std::min(at, size); };
  const int64_t stop = bound(c.integer(2, size));
  for (int64_t i = bound(c.integer(1, 0)); i < stop; ++i)
    if (equal(c.in, c.self.items()[static_cast<size_t>(i)], c.args[0])) return Value(i);
  c.in.fail("the value to find is not in the list");
}

Value bit_length(Call& c) {
  int64_t bits = 0;
  for (auto rest = static_cast<uint64_t>(std::abs(c.self.number()) < 0x1p63 ? std::abs(c.self.integer()) : 0); rest > 0;
       rest >>= 1)
    ++bits;
  return Value(bits);
}

Value conjugate(Call& c) { return negate(c.in, c.self, false); }
Value is_integer(Call& c) {
  return Value(std::isfinite(c.self.number()) && c.self.number() == std::floor(c.self.number()));
}

// Rows without a function exist in Python but change their object, which the sandbox of the reference forbids.
constexpr Builtin kDictRows[] = {
    {"clear", nullptr},
    {"copy", dict_copy},
    {"get", dict_get, "key default", 1, true},
    {"items", view<ViewKind::Items>},
    {"keys", view<ViewKind::Keys>},
    {"pop", nullptr},
    {"popitem", nullptr},
    {"setdefault", nullptr},
    {"update", nullptr},
    {"values", view<ViewKind::Values>},
};
constexpr Builtin kListRows[] = {
    {"append", nullptr}, {"clear", nullptr},
    {"copy", list_copy}, {"count", count, "value", 1, true},
    {"extend", nullptr}, {"index", index, "value start stop", 1, true},
    {"insert", nullptr}, {"pop", nullptr},
    {"remove", nullptr}, {"reverse", nullptr},
    {"sort", nullptr},
};
constexpr Builtin kTupleRows[] = {{"count", count, "value", 1, true}, {"index", index, "value start stop", 1, true}};
constexpr Builtin kNumberRows[] = {{"bit_length", bit_length}, {"conjugate", conjugate}};
constexpr Builtin kFloatRows[] = {{"conjugate", conjugate}, {"is_integer", is_integer}};
static_assert(is_sorted_table(kDictRows) && is_sorted_table(kListRows));

}  // namespace

constinit const std::span<const Builtin> kDictMethods = kDictRows;
constinit const std::span<const Builtin> kListMethods = kListRows;
constinit const std::span<const Builtin> kTupleMethods = kTupleRows;
constinit const std::span<const Builtin> kNumberMethods = kNumberRows;
constinit const std::span<const Builtin> kFloatMethods = kFloatRows;

}  // namespace transformers::jinja
