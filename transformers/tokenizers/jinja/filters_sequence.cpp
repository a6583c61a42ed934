#include <algorithm>
#include <memory>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/attribute_path.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

Value generate(Interpreter& in, std::vector<Value> items) {
  in.charge_items(items.capacity());
  auto rest = std::make_shared<std::vector<Value>>(std::move(items));
  std::reverse(rest->begin(), rest->end());
  return in.generator([rest](Value& out) {
    if (rest->empty()) return false;
    out = std::move(rest->back());
    rest->pop_back();
    return true;
  });
}

Value first(Call& c) {
  Cursor cursor(c.in, c.self);
  Value item;
  return cursor.next(c.in, item) ? item : Value::undefined();
}

Value last(Call& c) {
  if (c.self.is(Kind::Generator)) c.in.fail("expected a sequence that can be read backwards, found generator");
  if (c.self.is_string()) {
    const auto all = c.self.text();
    if (all.empty()) return Value::undefined();
    return get_item(c.in, c.self, Value(int64_t{-1}), nullptr);
  }
  auto items = collect(c.in, c.self);
  return items.empty() ? Value::undefined() : items.back();
}

Value list(Call& c) { return c.in.list(collect(c.in, c.self)); }

Value join_items(Call& c) {
  const AttributePath path(c.in, c.has(1) ? c.args[1] : Value());
  const std::string separator = c.has(0) ? to_text(c.in, c.args[0]) : std::string();
  std::string out;
  Cursor cursor(c.in, c.self);
  bool is_first = true;
  for (Value item; cursor.next(c.in, item);) {
    if (!std::exchange(is_first, false)) out += separator;
    out += to_text(c.in, path.get(c.in, item));
    c.in.charge_text(out.size() > kMaxText ? out.size() : separator.size());
  }
  return c.in.text(std::move(out));
}

struct Keyed {
  std::vector<Value> keys;
  Value item;
};

enum class KeyOrder : uint8_t { Single, List };

// Stable, in both directions, as Python's sort. Keys in a list are ordered only where they differ.
void sort_keyed(Interpreter& in, std::vector<Keyed>& rows, bool reverse, KeyOrder order) {
  std::stable_sort(rows.begin(), rows.end(), [&](const Keyed& a, const Keyed& b) {
    for (size_t i = 0; i < a.keys.size(); ++i) {
      const Value &x = reverse ? b.keys[i] : a.keys[i], &y = reverse ? a.keys[i] : b.keys[i];
      if (order == KeyOrder::Single || !equal(in, x, y)) return less(in, x, y);
    }
    return false;
  });
}

Value take_items(Interpreter& in, std::vector<Keyed>& rows) {
  std::vector<Value> items;
  items.reserve(rows.size());
  for (auto& row : rows) items.push_back(std::move(row.item));
  return in.list(std::move(items));
}

Value sort(Call& c) {
  const bool ignore_case = !c.flag(1);
  std::vector<AttributePath> paths;
  if (c.given(2) && c.args[2].is_string()) {
    for (const auto& name : split(c.args[2].text(), ','))
      paths.emplace_back(c.in, c.in.text(name), Value(), ignore_case);
  } else {
    paths.emplace_back(c.in, c.has(2) ? c.args[2] : Value(), Value(), ignore_case);
  }
  std::vector<Keyed> rows;
  for (auto& item : collect(c.in, c.self)) {
    Keyed row;
    for (const auto& path : paths) row.keys.push_back(path.get(c.in, item));
    row.item = std::move(item);
    rows.push_back(std::move(row));
  }
  sort_keyed(c.in, rows, c.integer(0, 0) != 0, KeyOrder::List);
  return take_items(c.in, rows);
}

Value dictsort(Call& c) {
  const std::string by = c.text(1, "key");
  if (by != "key" && by != "value") c.in.fail("expected 'key' or 'value' to sort by");
  if (c.self.is_undefined()) c.in.fail_undefined(c.self);
  if (!c.self.is(Kind::Dict)) c.in.fail(str("expected a mapping to sort, found ", type_name(c.self)));
  const AttributePath path(c.in, Value(), Value(), !c.flag(0));
  std::vector<Keyed> rows;
  for (const auto& [key, value] : c.self.as<Dict>().items)
    rows.push_back({{path.get(c.in, by == "key" ? key : value)}, c.in.tuple({key, value})});
  sort_keyed(c.in, rows, c.integer(2, 0) != 0, KeyOrder::Single);
  return take_items(c.in, rows);
}

Value unique(Call& c) {
  auto path = std::make_shared<AttributePath>(c.in, c.has(1) ? c.args[1] : Value(), Value(), !c.flag(0));
  auto cursor = std::make_shared<Cursor>(c.in, c.self);
  auto* seen = &c.in.make<Dict>();
  return c.in.generator([&in = c.in, path, cursor, seen](Value& out) {
    while (cursor->next(in, out)) {
      const Value key = path->get(in, out);
      if (seen->find(in, key)) continue;
      seen->set(in, key, Value::none());
      return true;
    }
    return false;
  });
}

template <bool largest>
Value extreme(Call& c) {
  const AttributePath path(c.in, c.has(1) ? c.args[1] : Value(), Value(), !c.flag(0));
  Value best, best_key, item;
  Cursor cursor(c.in, c.self);
  while (cursor.next(c.in, item)) {
    Value key = path.get(c.in, item);
    if (!best.is_missing() && !(largest ? less(c.in, best_key, key) : less(c.in, key, best_key))) continue;
    best = item;
    best_key = std::move(key);
  }
  return best.is_missing() ? Value::undefined() : best;
}

Value sum(Call& c) {
  const AttributePath path(c.in, c.has(0) ? c.args[0] : Value());
  Value total = c.has(1) ? c.args[1] : Value(int64_t{0});
  if (total.is_string()) c.in.fail("expected a start that is no text: join texts instead");
  Cursor cursor(c.in, c.self);
  for (Value item; cursor.next(c.in, item);) total = arithmetic(c.in, Operator::Add, total, path.get(c.in, item));
  return total;
}

Value reverse(Call& c) {
  if (c.self.is_string()) {
    std::string out;
    const auto& text = c.self.text();
    std::vector<size_t> offsets;
    for (size_t at = 0; at < text.size(); decode(text, at)) offsets.push_back(at);
    c.in.charge(offsets.size() / 16);
    size_t end = text.size();
    for (auto it = offsets.rbegin(); it != offsets.rend(); end = *it++) out.append(text, *it, end - *it);
    return c.in.text(std::move(out));
  }
  auto items = collect(c.in, c.self);
  std::reverse(items.begin(), items.end());
  return c.self.is(Kind::Generator) ? c.in.list(std::move(items)) : generate(c.in, std::move(items));
}

Value batch(Call& c) {
  const int64_t size = c.integer(0, 0);
  std::vector<Value> batches, current;
  const auto flush = [&] { batches.push_back(c.in.list(std::exchange(current, {}))); };
  for (auto& item : collect(c.in, c.self)) {
    if (static_cast<int64_t>(current.size()) == size) flush();
    current.push_back(std::move(item));
  }
  if (current.empty()) return generate(c.in, std::move(batches));
  const int64_t missing = c.given(1) ? std::max<int64_t>(0, size - static_cast<int64_t>(current.size())) : 0;
  c.in.charge(static_cast<size_t>(missing));
  for (int64_t i = 0; i < missing; ++i) current.push_back(c.args[1]);
  flush();
  return generate(c.in, std::move(batches));
}

Value slice(Call& c) {
  const auto items = collect(c.in, c.self);
  const int64_t slices = c.integer(0, 0);
  if (slices == 0) c.in.fail("expected slices to divide into, found 0");
  const auto size = static_cast<int64_t>(items.size());
  c.in.charge(slices > 0 ? static_cast<size_t>(slices) : 0);
  std::vector<Value> out;
  for (int64_t i = 0, at = 0; i < slices; ++i) {
    const bool longer = i < size % slices;
    const int64_t end = at + size / slices + (longer ? 1 : 0);
    std::vector<Value> part(items.begin() + at, items.begin() + end);
    if (c.given(1) && !longer && size % slices != 0) part.push_back(c.args[1]);
    out.push_back(c.in.list(std::move(part)));
    at = end;
  }
  return generate(c.in, std::move(out));
}

Value groupby(Call& c) {
  const Value other = c.has(1) ? c.args[1] : Value();
  const AttributePath path(c.in, c.args[0], other, !c.flag(2)), exact(c.in, c.args[0], other);
  std::vector<Keyed> rows;
  for (auto& item : collect(c.in, c.self)) {
    Value key = path.get(c.in, item);
    rows.push_back({{std::move(key)}, std::move(item)});
  }
  sort_keyed(c.in, rows, false, KeyOrder::Single);
  std::vector<Value> groups;
  for (size_t i = 0; i < rows.size();) {
    std::vector<Value> members;
    const size_t start = i;
    for (; i < rows.size() && equal(c.in, rows[start].keys[0], rows[i].keys[0]); ++i) members.push_back(rows[i].item);
    if (i == start) members.push_back(rows[i++].item);  // NaN equals nothing, itself included
    const Value grouper = exact.get(c.in, members.front());
    const Value group = c.in.tuple({grouper, c.in.list(std::move(members))});
    group.as<Array>().is_group = true;
    groups.push_back(group);
  }
  return c.in.list(std::move(groups));
}

Value items(Call& c) {
  if (!c.self.is(Kind::Dict) && !c.self.is_undefined())
    c.in.fail(str("expected a mapping to take items from, found ", type_name(c.self)));
  std::vector<Value> pairs;
  if (c.self.is(Kind::Dict))
    for (const auto& [key, value] : c.self.as<Dict>().items) pairs.push_back(c.in.tuple({key, value}));
  return generate(c.in, std::move(pairs));
}

constexpr Builtin kRows[] = {
    {"batch", batch, "linecount fill_with", 1, false, true},
    {"dictsort", dictsort, "case_sensitive by reverse"},
    {"first", first},
    {"groupby", groupby, "attribute default case_sensitive", 1},
    {"items", items, "", 0, false, true},
    {"join", join_items, "d attribute"},
    {"last", last},
    {"list", list},
    {"max", extreme<true>, "case_sensitive attribute"},
    {"min", extreme<false>, "case_sensitive attribute"},
    {"reverse", reverse},
    {"slice", slice, "slices fill_with", 1, false, true},
    {"sort", sort, "reverse case_sensitive attribute"},
    {"sum", sum, "attribute start"},
    {"unique", unique, "case_sensitive attribute", 0, false, true},
};
static_assert(is_sorted_table(kRows));

}  // namespace

constinit const std::span<const Builtin> kSequenceFilters = kRows;

}  // namespace transformers::jinja
