#include <algorithm>
#include <cmath>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/config/config.h"

namespace transformers {

static void require_number(const Json& rope, std::string_view key, std::string_view where) {
  const auto* value = rope.find(key);
  if (!value || !value->is_number())
    throw ValueError(str(where, ": 'rope_parameters' of type ", quote(rope.get("rope_type", "")), " needs the number ",
                         quote(key), value ? str(", found a ", value->type_name()) : ", which is absent"));
}

namespace {

constexpr std::string_view kPositive[] = {"factor",
                                          "attention_factor",
                                          "beta_fast",
                                          "beta_slow",
                                          "rope_theta",
                                          "low_freq_factor",
                                          "high_freq_factor",
                                          "original_max_position_embeddings",
                                          "partial_rotary_factor"};
constexpr std::string_view kNotNegative[] = {"mscale", "mscale_all_dim"};  // 0: not used

// What a type must hold.
struct RopeType {
  std::string_view name;
  std::vector<std::string_view> numbers = {}, lists = {};
};
const RopeType kTypes[] = {{"default"},
                           {"linear", {"factor"}},
                           {"dynamic", {"factor"}},
                           {"yarn", {"factor"}},
                           {"longrope", {}, {"short_factor", "long_factor"}},
                           {"llama3", {"factor", "low_freq_factor", "high_freq_factor"}}};

// Whatever a type reads if it is there must be a number with which it can compute.
void check_number(const Json& rope, std::string_view key, bool may_be_zero, std::string_view where) {
  const auto* value = rope.find(key);
  if (!value || value->is_null()) return;
  if (value->is_number() && std::isfinite(value->as_double()) &&
      (value->as_double() > 0 || (may_be_zero && value->as_double() == 0)))
    return;
  throw ValueError(str(where, ": 'rope_parameters' has ", value->dump(), " for ", quote(key), ", expected a ",
                       may_be_zero ? "number of at least 0" : "positive number"));
}

void check_list(const Json& rope, std::string_view key, std::optional<int64_t> length, std::string_view where) {
  const auto* list = rope.find(key);
  if (!list || !list->is_array())
    throw ValueError(str(where, ": 'rope_parameters' of type 'longrope' needs the list ", quote(key)));
  if (length && static_cast<int64_t>(list->size()) != *length)
    throw ValueError(str(where, ": 'rope_parameters': ", key, " has ", list->size(), " numbers, expected ", *length,
                         ", half the rotated elements of a head"));
  for (const auto& item : list->as_array())
    if (!item.is_number() || !std::isfinite(item.as_double()) || item.as_double() <= 0)
      throw ValueError(str(where, ": 'rope_parameters': ", key, " holds ", item.dump(), ", expected positive numbers"));
}

// Differences and logarithms that are divided by.
void check_divisors(const Json& rope, std::string_view type, std::string_view where) {
  const auto number = [&](std::string_view key) { return rope.get(key, 0.0); };
  if (type == "llama3" && number("high_freq_factor") <= number("low_freq_factor"))
    throw ValueError(str(where, ": 'rope_parameters' has ", rope.at("high_freq_factor").dump(),
                         " for 'high_freq_factor', expected more than 'low_freq_factor', which is ",
                         rope.at("low_freq_factor").dump()));
  if (type == "yarn" && number("rope_theta") <= 1)
    throw ValueError(str(where, ": 'rope_parameters' has ", rope.at("rope_theta").dump(),
                         " for 'rope_theta', expected more than 1 for the type 'yarn'"));
  if (type == "longrope" && number("original_max_position_embeddings") <= 1)
    throw ValueError(str(where, ": 'rope_parameters' has ", rope.at("original_max_position_embeddings").dump(),
                         " for 'original_max_position_embeddings', expected more than 1 for the type 'longrope'"));
}

void validate(const Json& rope, const Json& head_dim, std::string_view where) {
  for (const auto key : kPositive) check_number(rope, key, false, where);
  for (const auto key : kNotNegative) check_number(rope, key, true, where);
  const auto type = rope.get("rope_type", "default");
  const auto* row =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const RopeType& r) { return r.name == type; });
  if (row == std::end(kTypes))
    throw ValueError(str(where, ": unknown rope_type ", quote(type),
                         "; known are default, linear, dynamic, yarn, longrope, llama3"));
  require_number(rope, "rope_theta", where);
  for (const auto key : row->numbers) require_number(rope, key, where);
  std::optional<int64_t> pairs;
  if (head_dim.is_int())
    pairs = static_cast<int64_t>(static_cast<double>(head_dim.as_int()) * rope.get("partial_rotary_factor", 1.0)) / 2;
  for (const auto key : row->lists) check_list(rope, key, pairs, where);
  check_divisors(rope, type, where);
}

}  // namespace

void standardize_rope(PretrainedConfig& config, Json& rope_parameters, double default_theta, int64_t max_positions,
                      std::string_view where) {
  Json& extra = config.extra;
  if (const auto* scaling = extra.find("rope_scaling"); scaling && scaling->is_object()) rope_parameters = *scaling;
  if (!rope_parameters.is_object() && !rope_parameters.is_null())
    throw ValueError(str(where, ": 'rope_parameters' is a ", rope_parameters.type_name(), ", expected an object"));
  if (rope_parameters.is_null()) rope_parameters = Json::object();
  const auto move_in = [&](std::string_view key, const Json& fallback) {
    const auto* given = extra.find(key);
    if (!rope_parameters.contains(key) && (given || !fallback.is_null()))
      rope_parameters[key] = given && !given->is_null() ? *given : fallback;
  };
  move_in("rope_theta", default_theta);
  move_in("partial_rotary_factor", Json());
  if (!rope_parameters.contains("rope_type")) rope_parameters["rope_type"] = rope_parameters.get("type", "default");
  const auto type = rope_parameters.get("rope_type", "default");
  if (type == "llama3" || type == "yarn" || type == "longrope") {
    // Phi-3 and its kin keep the length of the pre-training beside the rope settings; it wins there.
    if (const auto* outside = extra.find("original_max_position_embeddings"))
      rope_parameters["original_max_position_embeddings"] = *outside;
    else if (!rope_parameters.contains("original_max_position_embeddings"))
      rope_parameters["original_max_position_embeddings"] = max_positions;
  }
  for (const auto* key : {"rope_scaling", "rope_theta", "partial_rotary_factor"}) extra.erase(key);
  validate(rope_parameters, config.get("head_dim"), where);
}

}  // namespace transformers
