#include "transformers/mapping/dialects/detail/gguf_keys.h"

#include <cmath>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {

GgufKeys::GgufKeys(const CheckpointReader& reader, std::string_view where) : reader_(reader), where_(where) {
  auto name = text("general.architecture");
  if (!name) refuse("has no metadata key 'general.architecture', so nobody can tell what model it holds");
  architecture_ = std::move(*name);
}

std::string GgufKeys::full(std::string_view suffix) const {
  if (suffix.starts_with("general.") || suffix.starts_with("tokenizer.")) return std::string(suffix);
  return str(architecture_, ".", suffix);
}

const Json* GgufKeys::find(std::string_view suffix) const { return reader_.metadata().find(full(suffix)); }

std::optional<int64_t> GgufKeys::integer(std::string_view suffix, int64_t least, int64_t most) const {
  const auto* value = find(suffix);
  if (!value) return std::nullopt;
  if (!value->is_int()) impossible(suffix, str("of type ", value->type_name()), "an integer");
  if (value->as_int() < least || value->as_int() > most)
    impossible(suffix, str(value->as_int()), str(least, " to ", most));
  return value->as_int();
}

std::optional<double> GgufKeys::number(std::string_view suffix, double least) const {
  const auto* value = find(suffix);
  if (!value) return std::nullopt;
  if (!value->is_number()) impossible(suffix, str("of type ", value->type_name()), "a number");
  const double found = value->as_double();
  if (!std::isfinite(found) || found < least)
    impossible(suffix, str(found), least > 0 ? "a finite number above 0" : "a finite number of at least 0");
  return found;
}

std::optional<std::string> GgufKeys::text(std::string_view suffix) const {
  const auto* value = find(suffix);
  if (!value) return std::nullopt;
  if (!value->is_string()) impossible(suffix, str("of type ", value->type_name()), "a string");
  return value->as_string();
}

void GgufKeys::missing(std::string_view suffix) const {
  refuse(str("has no metadata key ", quote(full(suffix)), ", which a model of the architecture ", quote(architecture_),
             " needs"));
}

void GgufKeys::impossible(std::string_view suffix, std::string_view found, std::string_view expected) const {
  refuse(str("the metadata key ", quote(full(suffix)), " is ", found, ", expected ", expected));
}

void GgufKeys::refuse(const std::string& reason) const { throw ValueError(str(where_, ": ", reason)); }

}  // namespace transformers::detail
