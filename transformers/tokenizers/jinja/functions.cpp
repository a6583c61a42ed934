#include <ctime>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"

namespace transformers::jinja {

namespace {

// The template's own words, without a place: they are meant for whoever wrote the conversation. They may hold all of
// it.
Value raise_exception(Call& c) {
  constexpr size_t kMostBytes = 1000;
  std::string text = to_text(c.in, c.args[0]);
  if (text.size() > kMostBytes) {
    size_t end = kMostBytes;
    while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    text += "…";
  }
  throw ValueError(text);
}

Value range(Call& c) {
  const auto& given = c.raw.positional;
  if (given.empty() || given.size() > 3 || !c.raw.keyword.empty()) c.in.fail("range takes one to three integers");
  for (const auto& value : given)
    if (!value.is_integral()) c.in.fail(str("range takes integers, found ", type_name(value)));
  auto& made = c.in.make<Range>();
  made.start = given.size() > 1 ? given[0].integer() : 0;
  made.stop = given.size() > 1 ? given[1].integer() : given[0].integer();
  made.step = given.size() > 2 ? given[2].integer() : 1;
  constexpr int64_t kFar = int64_t{1} << 61;
  for (const int64_t bound : {made.start, made.stop, made.step})
    if (bound > kFar || bound < -kFar) c.in.fail("a bound of a range is too large");
  if (made.step == 0) c.in.fail("the step of a range is zero");
  if (made.size() > kMaxRange) c.in.fail(str("expected ranges of at most ", kMaxRange, " numbers"));
  return {Kind::Range, &made};
}

// dict(mapping or pairs, name=value…), as Python's.
void fill(Call& c, Dict& dict) {
  if (c.raw.positional.size() > 1) c.in.fail("expected at most one positional argument for a mapping");
  for (const auto& source : c.raw.positional) {
    if (source.is(Kind::Dict)) {
      for (const auto& [key, value] : source.as<Dict>().items) dict.set(c.in, key, value);
      continue;
    }
    for (const auto& pair : collect(c.in, source)) {
      const auto items = collect(c.in, pair);
      if (items.size() != 2) c.in.fail(str("expected pairs of a key and a value, found ", items.size(), " items"));
      dict.set(c.in, items[0], items[1]);
    }
  }
  for (const auto& [name, value] : c.raw.keyword) dict.set(c.in, c.in.text(name), value);
}

Value make_dict(Call& c) {
  auto& dict = c.in.make<Dict>();
  fill(c, dict);
  return {Kind::Dict, &dict};
}

Value from_keys(Call& c) {
  auto& dict = c.in.make<Dict>();
  for (const auto& key : collect(c.in, c.args[0])) dict.set(c.in, key, c.has(1) ? c.args[1] : Value::none());
  return {Kind::Dict, &dict};
}

Value make_namespace(Call& c) {
  auto& made = c.in.make<NamespaceObject>();
  fill(c, made.attributes);
  for (const auto& [key, value] : made.attributes.items)
    if (key.is_string() && key.text().starts_with('_'))
      c.in.fail(str("a namespace cannot hold ", quote(key.text()), ": rename it"));
  return {Kind::Namespace, &made};
}

Value strftime_now(Call& c) {
  const std::string format = c.text(0, "");
  if (format.empty()) return c.in.text("");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  if (format.size() > 4096) c.in.fail("expected a time format of at most 4096 bytes");
  std::string out(format.size() * 64 + 64, '\0');
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &local));
  return c.in.text(std::move(out));
}

Value make_cycler(Call& c) {
  if (c.raw.positional.empty() || !c.raw.keyword.empty()) c.in.fail("cycler takes at least one value");
  auto& made = c.in.make<CyclerObject>();
  c.in.charge_items(c.raw.positional.size());
  made.items = c.raw.positional;
  return {Kind::Cycler, &made};
}

Value make_joiner(Call& c) {
  auto& made = c.in.make<JoinerObject>();
  made.separator = c.in.text(c.has(0) ? to_text(c.in, c.args[0]) : ", ");
  return {Kind::Joiner, &made};
}

Value lipsum(Call& c) { c.in.fail("lipsum is not supported: it makes random text"); }

Value cycler_next(Call& c) {
  auto& cycler = c.self.as<CyclerObject>();
  Value value = cycler.items[cycler.at];
  cycler.at = (cycler.at + 1) % cycler.items.size();
  return value;
}

Value cycler_reset(Call& c) {
  c.self.as<CyclerObject>().at = 0;
  return Value::none();
}

constexpr Builtin kRows[] = {
    {"cycler", make_cycler, "*"},
    {"dict", make_dict, "*"},
    {"joiner", make_joiner, "sep"},
    {"lipsum", lipsum, "*"},
    {"namespace", make_namespace, "*"},
    {"raise_exception", raise_exception, "message", 1},
    {"range", range, "*"},
    {"strftime_now", strftime_now, "format", 1},
};
static_assert(is_sorted_table(kRows));

constexpr Builtin kCyclerRows[] = {{"next", cycler_next}, {"reset", cycler_reset}};
constexpr Builtin kDictTypeRows[] = {{"fromkeys", from_keys, "iterable value", 1, true}};

}  // namespace

constinit const std::span<const Builtin> kFunctions = kRows;
constinit const std::span<const Builtin> kCyclerMethods = kCyclerRows;
constinit const std::span<const Builtin> kDictTypeMethods = kDictTypeRows;

}  // namespace transformers::jinja
