#include "transformers/tokenizers/detail/fields.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {

Fields::Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
  if (!json.is_object()) throw ValueError(str(where_, " must be an object, found ", json.type_name()));
}

const Json* Fields::find(std::string_view key) const {
  const Json* const found = json_.find(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

const Json& Fields::require(std::string_view key) const {
  if (const Json* const found = find(key)) return *found;
  fail(key, "is missing");
}

void Fields::fail(std::string_view key, std::string_view what) const {
  throw ValueError(str(where_, ": field ", quote(key), " ", what));
}

namespace {

const Json& expect(const Fields& fields, std::string_view key, const Json& value, bool holds, std::string_view kind) {
  if (!holds) fields.fail(key, str("must be ", kind, ", found ", value.type_name()));
  return value;
}

}  // namespace

std::string Fields::text(std::string_view key) const {
  const Json& value = require(key);
  return expect(*this, key, value, value.is_string(), "a string").as_string();
}

std::string Fields::text(std::string_view key, std::string_view fallback) const {
  return find(key) == nullptr ? std::string(fallback) : text(key);
}

bool Fields::flag(std::string_view key) const {
  const Json& value = require(key);
  return expect(*this, key, value, value.is_bool(), "true or false").as_bool();
}

bool Fields::flag(std::string_view key, bool fallback) const { return find(key) == nullptr ? fallback : flag(key); }

int64_t Fields::number(std::string_view key) const {
  const Json& value = require(key);
  const auto id = as_token_id(value);
  if (!id) fail(key, "must be a whole number from 0 to 4294967295");
  return *id;
}

int64_t Fields::number(std::string_view key, int64_t fallback) const {
  return find(key) == nullptr ? fallback : number(key);
}

char32_t Fields::character(std::string_view key) const {
  const std::string value = text(key);
  if (value.empty() || decode_at(value, 0).size != value.size()) fail(key, "must be a string of one character");
  return decode_at(value, 0).c;
}

const Json::Array& Fields::list(std::string_view key) const {
  const Json& value = require(key);
  return expect(*this, key, value, value.is_array(), "a list").as_array();
}

Fields Fields::child(std::string_view key) const { return {require(key), str(where_, ".", key)}; }

std::vector<Fields> Fields::children(std::string_view key) const {
  std::vector<Fields> out;
  const auto& elements = list(key);
  out.reserve(elements.size());
  for (size_t i = 0; i < elements.size(); ++i) out.emplace_back(elements[i], str(where_, ".", key, "[", i, "]"));
  return out;
}

std::optional<uint32_t> as_token_id(const Json& json) {
  if (!json.is_int() || json.as_int() < 0 || json.as_int() > int64_t{UINT32_MAX}) return std::nullopt;
  return static_cast<uint32_t>(json.as_int());
}

}  // namespace transformers::detail
