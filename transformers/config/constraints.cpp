#include "transformers/config/constraints.h"

#include <cmath>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/config/config.h"

namespace transformers {

namespace {

using Rule = Constraint::Rule;

// Layers are built before weights are looked for: a number in a small file must not cost gigabytes. Models have
// hundreds.
constexpr int64_t kMostLayers = 10'000;

// A name means the same in every config that has it.
constexpr Constraint kCommon[] = {
    {.field = "vocab_size"},
    {.field = "hidden_size"},
    {.field = "d_model"},
    {.field = "n_embd"},
    {.field = "head_dim"},
    {.field = "d_kv"},
    {.field = "num_attention_heads"},
    {.field = "num_key_value_heads"},
    {.field = "num_heads"},
    {.field = "n_head"},
    {.field = "intermediate_size"},
    {.field = "d_ff"},
    {.field = "n_inner"},
    {.field = "max_position_embeddings"},
    {.field = "n_positions"},
    {.field = "num_channels"},
    {.field = "num_hidden_layers", .least = 0, .most = kMostLayers},
    {.field = "num_layers", .least = 0, .most = kMostLayers},
    {.field = "num_decoder_layers", .least = 0, .most = kMostLayers},
    {.field = "n_layer", .least = 0, .most = kMostLayers},
    {.field = "*dropout", .rule = Rule::Fraction},
    {.field = "*dropout_prob", .rule = Rule::Fraction},
    {.field = "*dropout_rate", .rule = Rule::Fraction},
    {.field = "*_pdrop", .rule = Rule::Fraction},
    {.field = "*_eps", .rule = Rule::NonNegative},
    {.field = "*_epsilon", .rule = Rule::NonNegative},
    {.field = "initializer_range", .rule = Rule::NonNegative},
    {.field = "initializer_factor", .rule = Rule::NonNegative},
    {.field = "hidden_size", .rule = Rule::MultipleOf, .other = "num_attention_heads", .unless = "head_dim"},
    {.field = "num_attention_heads", .rule = Rule::MultipleOf, .other = "num_key_value_heads"},
    {.field = "layer_types", .rule = Rule::LayerTypes, .other = "num_hidden_layers"},
};

bool is_layer_type(const Json& type) {
  return type.as_string() == "full_attention" || type.as_string() == "sliding_attention";
}

// What is expected instead; empty when `value` is right.
std::string wanted_layer_types(const Json& value, const Json& layers) {
  if (value.size() == 0) return {};
  for (const auto& type : value.as_array())
    if (!is_layer_type(type)) return "'full_attention' or 'sliding_attention'";
  if (static_cast<int64_t>(value.size()) == layers.as_int()) return {};
  return str("one for each of the ", layers.as_int(), " layers");
}

std::string wanted(const Constraint& c, const Json& value, const Json& other) {
  switch (c.rule) {
    case Rule::Integer:
      if (value.as_int() >= c.least && value.as_int() <= c.most) return {};
      return str("a number from ", c.least, " to ", c.most);
    case Rule::Fraction:
      return value.as_double() >= 0 && value.as_double() <= 1 ? std::string() : "a number from 0 to 1";
    case Rule::NonNegative:
      return std::isfinite(value.as_double()) && value.as_double() >= 0 ? std::string() : "a number of at least 0";
    case Rule::MultipleOf:
      if (!other.is_int() || other.as_int() < 1 || value.as_int() % other.as_int() == 0) return {};
      return str("a multiple of ", quote(c.other), ", which is ", other.as_int());
    case Rule::TokenOf:
      if (!other.is_int() || (value.as_int() < other.as_int() && value.as_int() >= -other.as_int())) return {};
      return str("a token below ", quote(c.other), ", which is ", other.as_int());
    case Rule::LayerTypes: return wanted_layer_types(value, other);
  }
  return {};
}

// A long list is named by its length, or by the entry that nobody knows.
std::string described(const Json& value) {
  if (!value.is_array()) return str("is ", value.dump());
  for (const auto& entry : value.as_array())
    if (!is_layer_type(entry)) return str("has the entry ", quote(entry.as_string()));
  return str("has ", value.size(), " entries");
}

bool applies_to(const Constraint& constraint, std::string_view field) {
  return constraint.field.starts_with('*') ? field.ends_with(constraint.field.substr(1)) : field == constraint.field;
}

}  // namespace

void check_constraints(const PretrainedConfig& config, std::string_view where) {
  const auto check = [&](const Constraint& constraint, std::string_view field) {
    const auto value = config.get(field);
    if (value.is_null() || !applies_to(constraint, field)) return;
    if (!constraint.unless.empty() && !config.get(constraint.unless).is_null()) return;
    const auto expected = wanted(constraint, value, constraint.other.empty() ? Json() : config.get(constraint.other));
    if (expected.empty()) return;
    throw ValueError(str(where, ": ", quote(field), " ", described(value), ", expected ", expected));
  };
  // `fields` hands out pointers for writing; here they are only named.
  for (const auto& field : const_cast<PretrainedConfig&>(config).fields())
    for (const auto& constraint : kCommon) check(constraint, field.name);
  for (const auto& constraint : config.constraints()) check(constraint, constraint.field);
}

}  // namespace transformers
