#include "transformers/tokenizers/jinja/value.h"

#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

constexpr size_t kIndexFrom = 8;  // entries of a dict from which on a hash index pays

std::string_view type_name(const Value& value) {
  constexpr std::string_view kNames[] = {"missing",   "undefined", "None",     "bool", "int",    "float",
                                         "str",       "list",      "tuple",    "dict", "range",  "view",
                                         "generator", "namespace", "macro",    "loop", "method", "function",
                                         "cycler",    "joiner",    "dict type"};
  return kNames[static_cast<size_t>(value.kind())];
}

int64_t Range::size() const {
  if (step > 0) return stop > start ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

size_t Dict::position(Interpreter& in, const Value& key, size_t hash) const {
  if (items.size() <= kIndexFrom) {
    for (size_t i = 0; i < items.size(); ++i)
      if (equal(in, items[i].first, key)) return i;
    return items.size();
  }
  const auto [begin, end] = index_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (equal(in, items[it->second].first, key)) return it->second;
  return items.size();
}

const Value* Dict::find(Interpreter& in, const Value& key) const {
  const size_t at = position(in, key, hash_value(in, key));
  return at < items.size() ? &items[at].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  if (items.size() > kIndexFrom) {
    const auto [begin, end] = index_.equal_range(std::hash<std::string_view>()(key));
    for (auto it = begin; it != end; ++it)
      if (items[it->second].first.is_string() && items[it->second].first.text() == key)
        return &items[it->second].second;
    return nullptr;
  }
  for (const auto& [name, value] : items)
    if (name.is_string() && name.text() == key) return &value;
  return nullptr;
}

void Dict::set(Interpreter& in, const Value& key, Value value) {
  const size_t hash = hash_value(in, key);
  const size_t at = position(in, key, hash);
  if (at < items.size()) {
    items[at].second = std::move(value);
    return;
  }
  in.charge_memory(2 * sizeof(Item));  // and its place in the index
  items.emplace_back(key, std::move(value));
  if (items.size() <= kIndexFrom) return;
  if (index_.empty())
    for (size_t i = 0; i + 1 < items.size(); ++i) index_.emplace(hash_value(in, items[i].first), i);
  index_.emplace(hash, items.size() - 1);
}

Cursor::Cursor(Interpreter& in, Value value) : value_(std::move(value)) {
  switch (value_.kind()) {
    case Kind::Undefined:
    case Kind::String:
    case Kind::List:
    case Kind::Tuple:
    case Kind::Dict:
    case Kind::Range:
    case Kind::View:
    case Kind::Loop:
    case Kind::Generator: return;
    default: in.fail(str("expected something to iterate over, found ", type_name(value_)));
  }
}

static Value view_item(Interpreter& in, const View& view, size_t at) {
  const auto& [key, value] = view.dict->items[at];
  if (view.kind == ViewKind::Keys) return key;
  return view.kind == ViewKind::Values ? value : in.tuple({key, value});
}

bool Cursor::next(Interpreter& in, Value& out) {
  in.charge(1);
  const auto indexed = [&](size_t size, const auto& item) {
    if (at_ >= size) return false;
    out = item(at_++);
    return true;
  };
  switch (value_.kind()) {
    case Kind::List:
    case Kind::Tuple: return indexed(value_.items().size(), [&](size_t i) { return value_.items()[i]; });
    case Kind::Dict: {
      const auto& items = value_.as<Dict>().items;
      return indexed(items.size(), [&](size_t i) { return items[i].first; });
    }
    case Kind::Range: {
      const auto& range = value_.as<Range>();
      return indexed(static_cast<size_t>(range.size()),
                     [&](size_t i) { return Value(range.start + static_cast<int64_t>(i) * range.step); });
    }
    case Kind::View: {
      const auto& view = value_.as<View>();
      return indexed(view.dict->items.size(), [&](size_t i) { return view_item(in, view, i); });
    }
    case Kind::String: {
      const size_t start = at_;
      if (start >= value_.text().size()) return false;
      decode(value_.text(), at_);
      out = in.text(value_.text().substr(start, at_ - start));
      return true;
    }
    case Kind::Generator: in.check_stack(); return value_.as<Generator>().next(out);
    case Kind::Loop: return advance_loop(in, value_.as<LoopObject>(), out);
    default: return false;
  }
}

bool truth(Interpreter&, const Value& value) {
  switch (value.kind()) {
    case Kind::Missing:
    case Kind::Undefined:
    case Kind::None: return false;
    case Kind::Bool:
    case Kind::Int: return value.integer() != 0;
    case Kind::Float: return value.number() != 0;
    default: return length_or_none(value) != 0;
  }
}

int64_t length_or_none(const Value& value) {
  switch (value.kind()) {
    case Kind::Undefined: return 0;
    case Kind::String: return static_cast<int64_t>(value.points());
    case Kind::List:
    case Kind::Tuple: return static_cast<int64_t>(value.items().size());
    case Kind::Dict: return static_cast<int64_t>(value.as<Dict>().items.size());
    case Kind::View: return static_cast<int64_t>(value.as<View>().dict->items.size());
    case Kind::Range: return value.as<Range>().size();
    default: return -1;
  }
}

std::vector<Value> collect(Interpreter& in, const Value& iterable) {
  Cursor cursor(in, iterable);
  if (iterable.is_array()) {
    in.charge(iterable.items().size() / 4);
    in.check_memory(iterable.items().size() * sizeof(Value));
    return iterable.items();
  }
  std::vector<Value> items;
  for (Value item; cursor.next(in, item);) items.push_back(std::move(item));
  return items;
}

}  // namespace transformers::jinja
