#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"

namespace transformers::jinja {

bool advance_loop(Interpreter& in, LoopObject& loop, Value& item) {
  if (!loop.pending.empty()) {
    item = std::move(loop.pending.back());
    loop.pending.pop_back();
  } else if (!loop.cursor.next(in, item)) {
    return false;
  }
  ++loop.index0;
  loop.before = std::exchange(loop.current, item);
  return true;
}

namespace {

// The item behind the current one, taken ahead of its turn; Missing at the end.
Value peek(Interpreter& in, LoopObject& loop) {
  if (!loop.pending.empty()) return loop.pending.back();
  Value item;
  if (!loop.cursor.next(in, item)) return {};
  loop.pending.push_back(item);
  return item;
}

int64_t length(Interpreter& in, LoopObject& loop) {
  if (loop.length >= 0) return loop.length;
  if (!loop.iterable.is(Kind::Generator)) loop.length = length_or_none(loop.iterable);
  if (loop.length >= 0) return loop.length;
  std::vector<Value> rest;
  for (Value item; loop.cursor.next(in, item);) rest.push_back(std::move(item));
  in.charge_items(rest.size());
  rest.insert(rest.begin(), loop.pending.rbegin(), loop.pending.rend());
  loop.pending.assign(rest.rbegin(), rest.rend());
  return loop.length = loop.index0 + 1 + static_cast<int64_t>(rest.size());
}

struct LoopRow {
  std::string_view name;
  Value (*get)(Interpreter&, LoopObject&);
};

constexpr LoopRow kAttributes[] = {
    {"depth", [](Interpreter&, LoopObject& loop) { return Value(loop.depth0 + 1); }},
    {"depth0", [](Interpreter&, LoopObject& loop) { return Value(loop.depth0); }},
    {"first", [](Interpreter&, LoopObject& loop) { return Value(loop.index0 == 0); }},
    {"index", [](Interpreter&, LoopObject& loop) { return Value(loop.index0 + 1); }},
    {"index0", [](Interpreter&, LoopObject& loop) { return Value(loop.index0); }},
    {"last", [](Interpreter& in, LoopObject& loop) { return Value(peek(in, loop).is_missing()); }},
    {"length", [](Interpreter& in, LoopObject& loop) { return Value(length(in, loop)); }},
    {"nextitem",
     [](Interpreter& in, LoopObject& loop) {
       Value next = peek(in, loop);
       return next.is_missing() ? Value::undefined() : next;
     }},
    {"previtem", [](Interpreter&, LoopObject& loop) { return loop.index0 == 0 ? Value::undefined() : loop.before; }},
    {"revindex", [](Interpreter& in, LoopObject& loop) { return Value(length(in, loop) - loop.index0); }},
    {"revindex0", [](Interpreter& in, LoopObject& loop) { return Value(length(in, loop) - loop.index0 - 1); }},
};

Value cycle(Call& c) {
  const auto& values = c.raw.positional;
  if (values.empty()) c.in.fail("expected values to cycle through");
  return values[static_cast<size_t>(c.self.as<LoopObject>().index0) % values.size()];
}

Value changed(Call& c) {
  auto& loop = c.self.as<LoopObject>();
  const Value now = c.in.tuple(c.raw.positional);
  if (!loop.changed.is_missing() && equal(c.in, loop.changed, now)) return Value(false);
  loop.changed = now;
  return Value(true);
}

constexpr Builtin kRows[] = {{"changed", changed, "*"}, {"cycle", cycle, "*"}};
static_assert(is_sorted_table(kRows));

}  // namespace

constinit const std::span<const Builtin> kLoopMethods = kRows;

Value loop_attribute(Interpreter& in, LoopObject& loop, std::string_view name) {
  for (const auto& row : kAttributes)
    if (row.name == name) return row.get(in, loop);
  return {};
}

}  // namespace transformers::jinja
