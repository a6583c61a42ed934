#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/jinja/interpreter.h"
#include "transformers/tokenizers/jinja/operations.h"
#include "transformers/tokenizers/jinja/unicode.h"

namespace transformers::jinja {

namespace {

Value macro_attribute(Interpreter& in, const MacroObject& macro, std::string_view name) {
  if (name == "name") return in.text(macro.stmt->text);
  if (name == "catch_kwargs") return Value(macro.stmt->uses_kwargs);
  if (name == "catch_varargs") return Value(macro.stmt->uses_varargs);
  if (name == "caller") return Value(macro.stmt->uses_caller);
  if (name != "arguments") return {};
  std::vector<Value> names;
  for (const auto& parameter : macro.stmt->parameters) names.push_back(in.text(parameter.name));
  return in.tuple(std::move(names));
}

Value number_attribute(const Value& value, std::string_view name) {
  const bool is_float = value.is(Kind::Float);
  if (name == "imag") return is_float ? Value(0.0) : Value(int64_t{0});
  if (name == "real" || (name == "numerator" && !is_float)) return is_float ? value : Value(value.integer());
  return name == "denominator" && !is_float ? Value(int64_t{1}) : Value();
}

Value range_attribute(const Range& range, std::string_view name) {
  if (name == "start") return Value(range.start);
  if (name == "stop") return Value(range.stop);
  return name == "step" ? Value(range.step) : Value();
}

// What Python's getattr would find, or Missing; methods come as objects to call.
Value own_attribute(Interpreter& in, const Value& object, std::string_view name, const Expr* origin) {
  switch (object.kind()) {
    case Kind::Namespace: {
      const Value* value = object.as<NamespaceObject>().attributes.find(name);
      return value ? *value : Value();
    }
    case Kind::Loop:
      if (Value value = loop_attribute(in, object.as<LoopObject>(), name); !value.is_missing()) return value;
      break;
    case Kind::Macro: return macro_attribute(in, object.as<MacroObject>(), name);
    case Kind::Range: return range_attribute(object.as<Range>(), name);
    case Kind::Bool:
    case Kind::Int:
    case Kind::Float:
      if (Value value = number_attribute(object, name); !value.is_missing()) return value;
      break;
    case Kind::Tuple:
      if (object.as<Array>().is_group && name == "grouper") return object.items()[0];
      if (object.as<Array>().is_group && name == "list") return object.items()[1];
      break;
    case Kind::Cycler:
      if (name == "current") return object.as<CyclerObject>().items[object.as<CyclerObject>().at];
      break;
    default: break;
  }
  const Builtin* row = find_method(object, name);
  if (!row) return {};
  if (!row->run) return Value::undefined(origin, true);
  auto& method = in.make<FunctionObject>();
  method.row = row;
  method.self = object;
  return {Kind::Method, &method};
}

Value element(Interpreter& in, const Value& object, int64_t index) {
  const int64_t size = length_or_none(object);
  if (index < 0) index += size;
  if (index < 0 || index >= size) return {};
  const auto at = static_cast<size_t>(index);
  if (object.is_array()) return object.items()[at];
  if (object.is(Kind::Range)) return Value(object.as<Range>().start + index * object.as<Range>().step);
  const std::string& text = object.text();
  if (object.is_ascii()) return in.text(std::string(1, text[at]));
  in.charge(text.size() / 128);
  const size_t start = byte_offset(text, at);
  size_t end = start;
  decode(text, end);
  return in.text(text.substr(start, end - start));
}

// Start, stop and step as Python's slice.indices() clips them.
struct Indices {
  int64_t start, stop, step;
};

Indices clip(Interpreter& in, const Value (&parts)[3], int64_t size) {
  const auto integer = [&](const Value& part, int64_t fallback) {
    if (part.is_none()) return fallback;
    if (!part.is_integral()) in.fail(str("expected integers in a slice, found ", type_name(part)));
    return part.integer();
  };
  const int64_t step = integer(parts[2], 1);
  const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? size - 1 : size;
  const auto bound = [&](const Value& part, int64_t fallback) {
    if (part.is_none()) return fallback;
    const int64_t at = integer(part, 0);
    return std::clamp(at < 0 && at >= -size ? at + size : at < 0 ? low : at, low, high);
  };
  return {bound(parts[0], step < 0 ? high : low), bound(parts[1], step < 0 ? low : high), step};
}

Value slice_text(Interpreter& in, const Value& object, const Range& range) {
  const std::string& text = object.text();
  in.charge(text.size() / 128);
  const auto count = range.size();
  if (count == 0) return in.text("");
  if (range.step == 1) {
    const size_t start =
        object.is_ascii() ? static_cast<size_t>(range.start) : byte_offset(text, static_cast<size_t>(range.start));
    const auto rest = std::string_view(text).substr(start);
    const auto size = static_cast<size_t>(count);
    return in.text(std::string(rest.substr(0, object.is_ascii() ? size : byte_offset(rest, size))));
  }
  in.charge(text.size() / 16);
  std::vector<size_t> offsets;
  offsets.reserve(object.points() + 1);
  for (size_t at = 0; at < text.size(); decode(text, at)) offsets.push_back(at);
  offsets.push_back(text.size());
  std::string out;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(range.start + i * range.step);
    out.append(text, offsets[at], offsets[at + 1] - offsets[at]);
  }
  return in.text(std::move(out));
}

}  // namespace

Value get_attribute(Interpreter& in, const Value& object, std::string_view name, const Expr* origin) {
  if (object.is_undefined()) in.fail_undefined(object);
  Value value = own_attribute(in, object, name, origin);
  if (!value.is_missing()) return value;
  if (object.is(Kind::Dict))
    if (const Value* item = object.as<Dict>().find(name)) return *item;
  return Value::undefined(origin);
}

Value get_item(Interpreter& in, const Value& object, const Value& key, const Expr* origin) {
  if (object.is_undefined()) in.fail_undefined(object);
  if (object.is(Kind::Dict)) {
    if (is_hashable(key))
      if (const Value* item = object.as<Dict>().find(in, key)) return *item;
  } else if (key.is_integral() && (object.is_array() || object.is_string() || object.is(Kind::Range))) {
    Value item = element(in, object, key.integer());
    return item.is_missing() ? Value::undefined(origin) : item;
  }
  if (!key.is_string()) return Value::undefined(origin);
  Value value = own_attribute(in, object, key.text(), origin);
  return value.is_missing() ? Value::undefined(origin) : value;
}

// Unlike other subscripts, a slice that does not fit is an error.
Value get_slice(Interpreter& in, const Value& object, const Value (&parts)[3]) {
  if (object.is_undefined()) in.fail_undefined(object);
  if (!object.is_array() && !object.is_string() && !object.is(Kind::Range))
    in.fail(str("expected a sequence to slice, found ", type_name(object)));
  if (parts[2].is_integral() && parts[2].integer() == 0) in.fail("the step of a slice is zero");
  const Indices at = clip(in, parts, length_or_none(object));
  Range range;
  range.start = at.start;
  range.stop = at.stop;
  range.step = std::clamp(at.step, -(int64_t{1} << 40), int64_t{1} << 40);  // beyond any length, and cannot overflow
  if (object.is_string()) return slice_text(in, object, range);
  if (object.is(Kind::Range)) {
    const auto& source = object.as<Range>();
    auto& made = in.make<Range>();
    const auto clamped = [](__int128 wide) {
      return static_cast<int64_t>(std::clamp<__int128>(wide, INT64_MIN / 2, INT64_MAX / 2));
    };
    const auto map = [&](int64_t i) { return clamped(source.start + static_cast<__int128>(i) * source.step); };
    made.start = map(range.start);
    made.stop = map(range.stop);
    made.step = clamped(static_cast<__int128>(source.step) * range.step);
    return {Kind::Range, &made};
  }
  std::vector<Value> items;
  const auto count = static_cast<size_t>(range.size());
  in.charge(count / 4);
  in.check_memory(count * sizeof(Value));
  items.reserve(count);
  for (size_t i = 0; i < count; ++i)
    items.push_back(object.items()[static_cast<size_t>(range.start + static_cast<int64_t>(i) * range.step)]);
  return object.is(Kind::List) ? in.list(std::move(items)) : in.tuple(std::move(items));
}

}  // namespace transformers::jinja
