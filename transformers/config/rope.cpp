#include <algorithm>

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

static void validate(const Json& rope, std::string_view where) {
  struct Row {
    std::string_view type;
    std::vector<std::string_view> numbers, lists;
  };
  const Row rows[] = {{"default", {}, {}},
                      {"linear", {"factor"}, {}},
                      {"dynamic", {"factor"}, {}},
                      {"yarn", {"factor"}, {}},
                      {"longrope", {}, {"short_factor", "long_factor"}},
                      {"llama3", {"factor", "low_freq_factor", "high_freq_factor"}, {}}};
  // Whatever a type reads if it is there must be a positive number too.
  for (const auto key :
       {"factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "rope_theta",
        "low_freq_factor", "high_freq_factor", "original_max_position_embeddings", "partial_rotary_factor"})
    if (const auto* value = rope.find(key);
        value && !value->is_null() && (!value->is_number() || !(value->as_double() > 0)))
      throw ValueError(
          str(where, ": 'rope_parameters' has ", value->dump(), " for ", quote(key), ", expected a positive number"));
  const auto type = rope.get("rope_type", "default");
  const auto* row = std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.type == type; });
  if (row == std::end(rows))
    throw ValueError(str(where, ": unknown rope_type ", quote(type),
                         "; known are default, linear, dynamic, yarn, longrope, llama3"));
  require_number(rope, "rope_theta", where);
  for (const auto key : row->numbers) require_number(rope, key, where);
  for (const auto key : row->lists)
    if (const auto* list = rope.find(key); !list || !list->is_array())
      throw ValueError(str(where, ": 'rope_parameters' of type 'longrope' needs the list ", quote(key)));
}

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
  validate(rope_parameters, where);
}

}  // namespace transformers
