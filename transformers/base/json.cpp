#include "transformers/base/json.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

Json::Json(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    *this = Json(static_cast<int64_t>(value));
  else
    *this = Json(static_cast<double>(value));
}

template <class T>
static T* on_heap(T value) {
  return std::make_unique<T>(std::move(value)).release();
}

Json::Json(std::string value) {
  payload_.text = on_heap(std::move(value));
  kind_ = Kind::String;
}

Json::Json(Array value) {
  payload_.list = on_heap(std::move(value));
  kind_ = Kind::Array;
}

Json::Json(Object value) {
  payload_.object = on_heap(std::move(value));
  kind_ = Kind::Object;
}

Json::Json(const Json& other) {
  switch (other.kind_) {
    case Kind::String: *this = Json(*other.payload_.text); break;
    case Kind::Array: *this = Json(*other.payload_.list); break;
    case Kind::Object: *this = Json(*other.payload_.object); break;
    default: kind_ = other.kind_; payload_ = other.payload_;
  }
}

void Json::free_payload() noexcept {
  switch (kind_) {
    case Kind::String: std::unique_ptr<std::string>(payload_.text).reset(); break;
    case Kind::Array: std::unique_ptr<Array>(payload_.list).reset(); break;
    case Kind::Object: std::unique_ptr<Object>(payload_.object).reset(); break;
    default: break;
  }
}

Json Json::parse_file(const std::filesystem::path& file, int64_t most_bytes) {
  return parse(read_text(file, most_bytes), file.native());
}

std::string_view Json::type_name() const {
  constexpr std::string_view names[] = {"null", "bool", "int", "float", "string", "list", "object"};
  return names[static_cast<size_t>(kind_)];
}

void Json::fail_type(std::string_view wanted) const {
  throw TypeError(str("expected ", wanted, " in JSON, found ", type_name()));
}

bool Json::as_bool() const {
  if (!is_bool()) fail_type("a bool");
  return payload_.flag;
}
int64_t Json::as_int() const {
  if (!is_int()) fail_type("an integer");
  return payload_.integer;
}
double Json::as_double() const {
  if (is_int()) return static_cast<double>(payload_.integer);
  if (!is_double()) fail_type("a number");
  return payload_.number;
}
const std::string& Json::as_string() const& {
  if (!is_string()) fail_type("a string");
  return *payload_.text;
}
Json::Array& Json::as_array() & {
  if (!is_array()) fail_type("a list");
  return *payload_.list;
}
Json::Object& Json::as_object() & {
  if (!is_object()) fail_type("an object");
  return *payload_.object;
}
const Json::Array& Json::as_array() const& { return const_cast<Json&>(*this).as_array(); }
const Json::Object& Json::as_object() const& { return const_cast<Json&>(*this).as_object(); }
std::string Json::as_string() && { return std::move(const_cast<std::string&>(std::as_const(*this).as_string())); }
Json::Array Json::as_array() && { return std::move(static_cast<Json&>(*this).as_array()); }
Json::Object Json::as_object() && { return std::move(static_cast<Json&>(*this).as_object()); }

const Json* Json::find(std::string_view key) const& {
  if (is_object())
    for (const auto& [name, value] : *payload_.object)
      if (name == key) return &value;
  return nullptr;
}

Json* Json::find(std::string_view key) & { return const_cast<Json*>(std::as_const(*this).find(key)); }

const Json& Json::at(std::string_view key) const& {
  if (const auto* value = find(key)) return *value;
  throw KeyError(str("no key ", quote(key), " in the JSON object"));
}

Json Json::at(std::string_view key) && { return std::move(const_cast<Json&>(std::as_const(*this).at(key))); }

Json& Json::operator[](std::string_view key) & {
  if (auto* value = find(key)) return *value;
  if (is_null()) *this = object();
  return as_object().emplace_back(std::string(key), Json()).second;
}

bool Json::erase(std::string_view key) {
  return is_object() && std::erase_if(*payload_.object, [&](const auto& item) { return item.first == key; }) > 0;
}

size_t Json::size() const {
  if (is_array()) return payload_.list->size();
  return is_object() ? payload_.object->size() : 0;
}

void Json::push_back(Json value) {
  if (is_null()) *this = list();
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
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::Null: return true;
    case Kind::Bool: return payload_.flag == other.payload_.flag;
    case Kind::Int: return payload_.integer == other.payload_.integer;
    case Kind::Double: return payload_.number == other.payload_.number;
    case Kind::String: return *payload_.text == *other.payload_.text;
    case Kind::Array: return *payload_.list == *other.payload_.list;
    case Kind::Object: break;
  }
  return size() == other.size() && std::all_of(payload_.object->begin(), payload_.object->end(), [&](const auto& item) {
           const auto* value = other.find(item.first);
           return value && item.second == *value;
         });
}

}  // namespace transformers
