#include "transformers/tokenizers/jinja/builtins.h"

#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"

namespace transformers::jinja {

bool Call::flag(size_t i, bool fallback) const { return has(i) ? truth(in, args[i]) : fallback; }

int64_t Call::integer(size_t i, int64_t fallback) const {
  if (!has(i)) return fallback;
  if (args[i].is_undefined()) in.fail_undefined(args[i]);
  if (!args[i].is_integral()) in.fail(str("expected an integer argument, found ", type_name(args[i])));
  return args[i].integer();
}

std::string Call::text(size_t i, std::string_view fallback) const {
  if (!has(i)) return std::string(fallback);
  if (args[i].is_undefined()) in.fail_undefined(args[i]);
  if (!args[i].is_string()) in.fail(str("expected a text argument, found ", type_name(args[i])));
  return args[i].text();
}

const Builtin* find_row(std::span<const Builtin> rows, std::string_view name) {
  const auto it = std::lower_bound(rows.begin(), rows.end(), name,
                                   [](const Builtin& row, std::string_view wanted) { return row.name < wanted; });
  return it != rows.end() && it->name == name ? &*it : nullptr;
}

const Builtin* find_filter(std::string_view name) {
  for (const auto rows : {kTextFilters, kSequenceFilters, kSelectFilters, kValueFilters})
    if (const auto* row = find_row(rows, name)) return row;
  return nullptr;
}

const Builtin* find_test(std::string_view name) { return find_row(kTests, name); }

const Builtin* find_method(const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::String:
      if (const auto* row = find_row(kStringMethods, name)) return row;
      return find_row(kStringClassMethods, name);
    case Kind::List: return find_row(kListMethods, name);
    case Kind::Tuple: return find_row(kTupleMethods, name);
    case Kind::Dict: return find_row(kDictMethods, name);
    case Kind::Bool:
    case Kind::Int: return find_row(kNumberMethods, name);
    case Kind::Float: return find_row(kFloatMethods, name);
    case Kind::Loop: return find_row(kLoopMethods, name);
    case Kind::Cycler: return find_row(kCyclerMethods, name);
    case Kind::DictType: return find_row(kDictTypeMethods, name);
    default: return nullptr;
  }
}

static std::string unknown(std::string_view what, std::string_view name,
                           std::span<const std::span<const Builtin>> all) {
  std::vector<std::string> names;
  for (const auto rows : all)
    for (const auto& row : rows) names.emplace_back(row.name);
  const auto close = nearest(name, names);
  return str("unknown ", what, " ", quote(name),
             close.empty() ? std::string() : str(", known are ", join(close, ", "), " and others"));
}

std::string unknown_filter(std::string_view name) {
  const std::span<const Builtin> all[] = {kTextFilters, kSequenceFilters, kSelectFilters, kValueFilters};
  return unknown("filter", name, all);
}

std::string unknown_test(std::string_view name) {
  const std::span<const Builtin> all[] = {kTests};
  return unknown("test", name, all);
}

static std::vector<std::string_view> parameter_names(std::string_view parameters) {
  std::vector<std::string_view> names;
  while (!parameters.empty()) {
    const size_t end = std::min(parameters.find(' '), parameters.size());
    names.push_back(parameters.substr(0, end));
    parameters.remove_prefix(std::min(end + 1, parameters.size()));
  }
  return names;
}

static Value run(Interpreter& in, const Builtin& row, const Value& self, std::span<const Value> args,
                 const CallValues& raw) {
  if (!row.is_lazy) {
    Call call{in, self, args, raw};
    return row.run(call);
  }
  Value items;
  in.charge_items(args.size() + raw.positional.size() + 2 * raw.keyword.size());  // they live on in the generator
  return in.generator(
      [&in, &row, self, kept = std::vector<Value>(args.begin(), args.end()), raw, items](Value& out) mutable {
        if (items.is_missing()) {
          Call call{in, self, kept, raw};
          items = row.run(call);
        }
        in.check_stack();
        return items.as<Generator>().next(out);
      });
}

Value invoke(Interpreter& in, const Builtin& row, const Value& self, const CallValues& raw) {
  in.charge(1);
  std::vector<Value> args;
  if (row.parameters == "*") return run(in, row, self, args, raw);
  const auto names = parameter_names(row.parameters);
  if (raw.positional.size() > names.size())
    in.fail(str(quote(row.name), " takes at most ", names.size(), " arguments, found ", raw.positional.size()));
  args = raw.positional;
  args.resize(names.size());
  for (const auto& [name, value] : raw.keyword) {
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end() || row.positional_only)
      in.fail(str(quote(row.name), " has no keyword argument ", quote(name)));
    Value& slot = args[static_cast<size_t>(it - names.begin())];
    if (!slot.is_missing()) in.fail(str(quote(row.name), " was given its argument ", quote(name), " twice"));
    slot = value;
  }
  for (size_t i = 0; i < static_cast<size_t>(row.required); ++i)
    if (args[i].is_missing()) in.fail(str(quote(row.name), " needs its argument ", quote(names[i])));
  return run(in, row, self, args, raw);
}

}  // namespace transformers::jinja
