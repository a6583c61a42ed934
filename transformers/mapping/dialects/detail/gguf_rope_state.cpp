#include <cmath>
#include <numbers>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/detail/gguf_fields.h"

namespace transformers::detail {

namespace {

[[noreturn]] void refuse(const std::string& reason) {
  throw ValueError(str("a config cannot be written as GGUF: its rotary embedding ", reason));
}

// `rope_parameters`, or what old configs have in its place, which wins as it does when a model is built.
Json rope_of(const Json& config) {
  Json rope = Json::object();
  for (const auto* name : {"rope_parameters", "rope_scaling"})
    if (const auto* given = config.find(name); given && given->is_object()) rope = *given;
  if (const auto* theta = config.find("rope_theta"); theta && !rope.contains("rope_theta")) rope["rope_theta"] = *theta;
  if (const auto* type = rope.find("type"); type && !rope.contains("rope_type")) rope["rope_type"] = Json(*type);
  return rope;
}

double number(const Json& rope, std::string_view key) {
  const auto* value = rope.find(key);
  if (!value || !value->is_number() || !std::isfinite(value->as_double()) || value->as_double() <= 0)
    refuse(str("has ", quote(key), " = ", value ? value->dump() : "nothing", ", expected a number above 0"));
  return value->as_double();
}

double number_or(const Json& rope, std::string_view key, double fallback) {
  const auto* value = rope.find(key);
  return value && !value->is_null() ? number(rope, key) : fallback;
}

// Wavelengths in the middle are scaled in part; see "Llama 3.1" in the reference's rope utilities.
std::vector<float> llama3_factors(const Json& rope, const Json& config, double theta, int64_t size) {
  const double factor = number(rope, "factor");
  const double low = number(rope, "low_freq_factor"), high = number(rope, "high_freq_factor");
  const auto* positions = rope.find("original_max_position_embeddings");
  const double length =
      positions && positions->is_number() ? positions->as_double() : number(config, "max_position_embeddings");
  std::vector<float> out;
  for (int64_t i = 0; i < size / 2; ++i) {
    const double wavelength =
        2 * std::numbers::pi * std::pow(theta, 2 * static_cast<double>(i) / static_cast<double>(size));
    const double smooth = (length / wavelength - low) / (high - low);
    double scale = 1 / ((1 - smooth) / factor + smooth);
    if (wavelength < length / high) scale = 1;
    if (wavelength > length / low) scale = factor;
    out.push_back(static_cast<float>(scale));
  }
  return out;
}

// Only lists that do not depend on the length and leave the attention as it is are one list of factors.
std::vector<float> longrope_factors(const Json& rope, int64_t size) {
  const auto *list = rope.find("long_factor"), *other = rope.find("short_factor");
  const auto* attention = rope.find("attention_factor");
  if (!list || !other || !list->is_array() || !(*list == *other) || !attention || !attention->is_number() ||
      attention->as_double() != 1)
    refuse("is 'longrope' with factors that depend on the length, or scales the attention, which is not supported");
  if (static_cast<int64_t>(list->size()) != size / 2)
    refuse(str("has ", list->size(), " factors, expected one for each of the ", size / 2, " pairs"));
  std::vector<float> out;
  for (const auto& item : list->as_array()) out.push_back(static_cast<float>(item.as_double()));
  return out;
}

// What the keys of YaRN leave open is llama.cpp's own: truncated ramps, the attention scaled by the factor alone.
void state_yarn(GgufFields& fields, const Json& rope) {
  for (const auto* key : {"attention_factor", "mscale", "mscale_all_dim"})
    if (const auto* value = rope.find(key); value && !value->is_null())
      refuse(str("is 'yarn' with ", quote(key), " = ", value->dump(), ", which is not supported"));
  if (const auto* value = rope.find("truncate"); value && *value == Json(false))
    refuse("is 'yarn' without truncation, which is not supported");
  fields.set("rope.scaling.type", "yarn");
  fields.set("rope.scaling.factor", number(rope, "factor"));
  if (const auto* value = rope.find("original_max_position_embeddings"); value && value->is_int())
    fields.set("rope.scaling.original_context_length", *value);
  if (rope.contains("beta_fast")) fields.set("rope.scaling.yarn_beta_fast", number(rope, "beta_fast"));
  if (rope.contains("beta_slow")) fields.set("rope.scaling.yarn_beta_slow", number(rope, "beta_slow"));
}

}  // namespace

int64_t gguf_head_size(const Json& config) {
  const int64_t heads = config.get("num_attention_heads", 0), hidden = config.get("hidden_size", 0);
  if (heads < 1 || hidden < 1) throw ValueError("a config cannot be written as GGUF: it has no heads or no width");
  return config.get("head_dim", hidden / heads);
}

void state_gguf_rope(GgufFields& fields) {
  const Json rope = rope_of(fields.config());
  const auto type = rope.get("rope_type", "default");
  if (number_or(rope, "partial_rotary_factor", number_or(fields.config(), "partial_rotary_factor", 1)) != 1)
    refuse("covers a part of a head, which is not supported");
  fields.set("rope.freq_base", number_or(rope, "rope_theta", 10000));
  if (type == "yarn") return state_yarn(fields, rope);
  if (type == "linear") {
    fields.set("rope.scaling.type", "linear");
    fields.set("rope.scaling.factor", number(rope, "factor"));
    return;
  }
  if (type == "default") return;
  if (type != "llama3" && type != "longrope") refuse(str("is ", quote(type), ", which the format cannot say"));
  if (!fields.row().has_rope_factors)
    refuse(str("is ", quote(type), ", which llama.cpp does not read for models of type ", fields.row().model_type));
  static_cast<void>(gguf_rope_factors(fields.config(), gguf_head_size(fields.config())));
}

std::vector<float> gguf_rope_factors(const Json& config, int64_t head_size) {
  const Json rope = rope_of(config);
  const auto type = rope.get("rope_type", "default");
  if (type == "llama3") return llama3_factors(rope, config, number_or(rope, "rope_theta", 10000), head_size);
  if (type == "longrope") return longrope_factors(rope, head_size);
  return {};
}

}  // namespace transformers::detail
