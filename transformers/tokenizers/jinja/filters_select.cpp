#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/attribute_path.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

AttributePath::AttributePath(Interpreter& in, const Value& attribute, Value fallback, bool ignore_case)
    : fallback_(std::move(fallback)), ignore_case_(ignore_case) {
  if (attribute.is_missing() || attribute.is_none()) return;
  if (!attribute.is_string()) {
    parts_.push_back(attribute);
    return;
  }
  for (const auto& part : split(attribute.text(), '.')) {
    const bool is_index = part.size() < 18 && is_digits(part);
    parts_.push_back(is_index ? Value(static_cast<int64_t>(std::stoll(part))) : in.text(part));
  }
}

Value AttributePath::get(Interpreter& in, const Value& value) const {
  Value item = value;
  for (const auto& part : parts_) {
    item = get_item(in, item, part, nullptr);
    if (item.is_undefined() && !fallback_.is_missing() && !fallback_.is_none()) item = fallback_;
  }
  if (ignore_case_ && item.is_string()) return in.text(lower(item.text()));
  return item;
}

namespace {

// A lazy filter does nothing for an empty subject: not even look at its arguments.
Value nothing(Call& c) {
  return c.in.generator([](Value&) { return false; });
}

struct Source {
  Cursor cursor;
  CallValues arguments;
};

std::shared_ptr<Source> make_source(Call& c) {
  c.in.charge_items(c.raw.positional.size() + 2 * c.raw.keyword.size() + 8);
  return std::make_shared<Source>(Source{Cursor(c.in, c.self), c.raw});
}

Value map_attribute(Call& c, const std::shared_ptr<Source>& source) {
  Value attribute, other;
  for (const auto& [name, value] : c.raw.keyword) {
    if (name != "attribute" && name != "default") c.in.fail(str("'map' has no keyword argument ", quote(name)));
    (name == "attribute" ? attribute : other) = value;
  }
  const AttributePath path(c.in, attribute, other);
  return c.in.generator([&in = c.in, source, path](Value& out) {
    Value item;
    if (!source->cursor.next(in, item)) return false;
    out = path.get(in, item);
    return true;
  });
}

bool has_keyword(const CallValues& arguments, std::string_view wanted) {
  return std::any_of(arguments.keyword.begin(), arguments.keyword.end(),
                     [&](const auto& item) { return item.first == wanted; });
}

Value map(Call& c) {
  if (!truth(c.in, c.self)) return nothing(c);
  auto source = make_source(c);
  if (c.raw.positional.empty() && has_keyword(c.raw, "attribute")) return map_attribute(c, source);
  if (c.raw.positional.empty() || !c.raw.positional[0].is_string()) c.in.fail("'map' needs the name of a filter");
  const std::string name = c.raw.positional[0].text();
  source->arguments.positional.erase(source->arguments.positional.begin());
  return c.in.generator([&in = c.in, source, name](Value& out) {
    Value item;
    if (!source->cursor.next(in, item)) return false;
    out = in.filter(name, item, source->arguments);
    return true;
  });
}

template <bool by_attribute, bool keep>
Value select(Call& c) {
  if (!truth(c.in, c.self)) return nothing(c);
  auto source = make_source(c);
  auto& positional = source->arguments.positional;
  const auto take = [&] {
    Value value = positional.front();
    positional.erase(positional.begin());
    return value;
  };
  if (by_attribute && positional.empty()) c.in.fail("expected the name of an attribute");
  const AttributePath path(c.in, by_attribute ? take() : Value());
  const Value test = positional.empty() ? Value() : take();
  if (!test.is_missing() && !test.is_string()) c.in.fail("expected the name of a test");
  return c.in.generator([&in = c.in, source, path, test](Value& out) {
    while (source->cursor.next(in, out)) {
      const Value subject = path.get(in, out);
      const bool passes = test.is_missing() ? truth(in, subject) : in.test(test.text(), subject, source->arguments);
      if (passes == keep) return true;
    }
    return false;
  });
}

constexpr Builtin kRows[] = {
    {"map", map, "*", 0, false, true},
    {"reject", select<false, false>, "*", 0, false, true},
    {"rejectattr", select<true, false>, "*", 0, false, true},
    {"select", select<false, true>, "*", 0, false, true},
    {"selectattr", select<true, true>, "*", 0, false, true},
};
static_assert(is_sorted_table(kRows));

}  // namespace

constinit const std::span<const Builtin> kSelectFilters = kRows;

}  // namespace transformers::jinja
