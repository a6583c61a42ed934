#include "transformers/base/json.h"

#include <algorithm>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

Json::Json(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    value_ = static_cast<int64_t>(value);
  else
    value_ = static_cast<double>(value);
}

Json Json::parse_file(const std::filesystem::path& file, int64_t most_bytes) {
  return parse(read_text(file, most_bytes), file.native());
}

std::string_view Json::type_name() const {
  constexpr std::string_view names[] = {"null", "bool", "int", "float", "string", "list", "object"};
  return names[value_.index()];
}

template <class T, class Variant>
static T& expect(Variant& value, const Json& json, std::string_view wanted) {
  if (auto* found = std::get_if<std::remove_const_t<T>>(&value)) return *found;
  throw TypeError(str("expected ", wanted, " in JSON, found ", json.type_name()));
}

bool Json::as_bool() const { return expect<const bool>(value_, *this, "a bool"); }
int64_t Json::as_int() const { return expect<const int64_t>(value_, *this, "an integer"); }
double Json::as_double() const {
  return is_int() ? static_cast<double>(as_int()) : expect<const double>(value_, *this, "a number");
}
const std::string& Json::as_string() const { return expect<const std::string>(value_, *this, "a string"); }
const Json::Array& Json::as_array() const { return expect<const Array>(value_, *this, "a list"); }
const Json::Object& Json::as_object() const { return expect<const Object>(value_, *this, "an object"); }
Json::Array& Json::as_array() { return expect<Array>(value_, *this, "a list"); }
Json::Object& Json::as_object() { return expect<Object>(value_, *this, "an object"); }

const Json* Json::find(std::string_view key) const {
  if (const auto* object = std::get_if<Object>(&value_))
    for (const auto& [name, value] : *object)
      if (name == key) return &value;
  return nullptr;
}

Json* Json::find(std::string_view key) { return const_cast<Json*>(std::as_const(*this).find(key)); }

const Json& Json::at(std::string_view key) const {
  if (const auto* value = find(key)) return *value;
  throw KeyError(str("no key ", quote(key), " in the JSON object"));
}

Json& Json::operator[](std::string_view key) {
  if (auto* value = find(key)) return *value;
  if (is_null()) value_ = Object{};
  return as_object().emplace_back(std::string(key), Json()).second;
}

bool Json::erase(std::string_view key) {
  auto* object = std::get_if<Object>(&value_);
  return object && std::erase_if(*object, [&](const auto& item) { return item.first == key; }) > 0;
}

size_t Json::size() const {
  if (const auto* list = std::get_if<Array>(&value_)) return list->size();
  if (const auto* object = std::get_if<Object>(&value_)) return object->size();
  return 0;
}

void Json::push_back(Json value) {
  if (is_null()) value_ = Array{};
  as_array().push_back(std::move(value));
}

template <class T, class Read>
static T get_or(const Json& json, std::string_view key, const T& fallback, const Read& read) {
  const auto* value = json.find(key);
  if (!value || value->is_null()) return fallback;
  try {
    return read(*value);
  } catch (const TypeError& error) {
    throw TypeError(str(quote(key), ": ", error.what()));
  }
}

bool Json::get(std::string_view key, bool fallback) const {
  return get_or(*this, key, fallback, [](const Json& v) { return v.as_bool(); });
}
int64_t Json::get(std::string_view key, int64_t fallback) const {
  return get_or(*this, key, fallback, [](const Json& v) { return v.as_int(); });
}
double Json::get(std::string_view key, double fallback) const {
  return get_or(*this, key, fallback, [](const Json& v) { return v.as_double(); });
}
std::string Json::get(std::string_view key, const std::string& fallback) const {
  return get_or(*this, key, fallback, [](const Json& v) { return v.as_string(); });
}

bool Json::operator==(const Json& other) const {
  if (value_.index() != other.value_.index()) return false;
  const auto* object = std::get_if<Object>(&value_);
  if (!object) return value_ == other.value_;
  const auto& theirs = std::get<Object>(other.value_);
  if (object->size() != theirs.size()) return false;
  return std::all_of(object->begin(), object->end(), [&](const auto& item) {
    const auto* value = other.find(item.first);
    return value && item.second == *value;
  });
}

}  // namespace transformers
