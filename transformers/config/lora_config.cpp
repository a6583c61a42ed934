#include "transformers/config/lora_config.h"

#include <algorithm>
#include <cmath>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

constexpr int64_t kMostRank = 1 << 16;
constexpr double kMostAlpha = 1e9;
constexpr size_t kMostItems = 10'000;  // of a list of modules or patterns

// Keys that choose how an adapter was made or is run, not what it computes.
constexpr std::string_view kWithoutEffect[] = {
    "auto_mapping",  "corda_config", "eva_config",   "loftq_config",      "lora_ga_config",
    "megatron_core", "peft_type",    "peft_version", "qalora_group_size", "runtime_config",
};

bool is_off(const Json& value) {
  if (value.is_bool()) return !value.as_bool();
  if (value.is_string()) return value.as_string().empty();
  if (value.is_number()) return value.as_double() == 0;
  return value.size() == 0;
}

std::vector<std::string> names_of(const Json& json, std::string_view key) {
  const auto wrong = [&](const Json& value) {
    return ValueError(str(quote(key), " holds a ", value.type_name(), ", expected a list of at most ",
                          uint64_t{kMostItems}, " names"));
  };
  if (json.is_string()) return {json.as_string()};
  if (!json.is_array() || json.size() > kMostItems) throw wrong(json);
  std::vector<std::string> out;
  for (const auto& item : json.as_array()) {
    if (!item.is_string()) throw wrong(item);
    out.push_back(item.as_string());
  }
  return out;
}

ModuleSelection selection_of(const Json& json, std::string_view key) {
  if (json.is_string()) return json.as_string();
  ModuleSelection out;
  out.names = names_of(json, key);
  return out;
}

std::vector<int64_t> numbers_of(const Json& json) {
  if (json.is_int()) return {json.as_int()};
  std::vector<int64_t> out;
  for (const auto& item : json.as_array()) out.push_back(item.as_int());
  return out;
}

template <class Value, class Read>
std::vector<std::pair<std::string, Value>> patterns_of(const Json& json, const Read& read) {
  if (json.size() > kMostItems) throw ValueError(str("it has more than ", uint64_t{kMostItems}, " patterns"));
  std::vector<std::pair<std::string, Value>> out;
  for (const auto& [pattern, value] : json.as_object()) out.emplace_back(pattern, read(value));
  return out;
}

Json number(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? Json(static_cast<int64_t>(value)) : Json(value);
}

Json json_of(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  Json out = Json::list();
  for (const auto& name : names) out.push_back(name);
  return out;
}

Json json_of(const ModuleSelection& modules) {
  return modules.expression.empty() ? json_of(modules.names) : Json(modules.expression);
}

Json json_of(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

struct Field {
  std::string_view name;
  void (*read)(LoraConfig&, const Json&);  // of a value that is not null
  Json (*write)(const LoraConfig&);
};

// One row for both directions.
constexpr Field kFields[] = {
    {"alpha_pattern",
     [](LoraConfig& c, const Json& v) {
       c.alpha_pattern = patterns_of<double>(v, [](const Json& x) { return x.as_double(); });
     },
     [](const LoraConfig& c) {
       Json out = Json::object();
       for (const auto& [pattern, alpha] : c.alpha_pattern) out[pattern] = number(alpha);
       return out;
     }},
    {"base_model_name_or_path", [](LoraConfig& c, const Json& v) { c.base_model_name_or_path = v.as_string(); },
     [](const LoraConfig& c) { return json_of(c.base_model_name_or_path); }},
    {"bias", [](LoraConfig& c, const Json& v) { c.bias = v.as_string(); },
     [](const LoraConfig& c) { return Json(c.bias); }},
    {"exclude_modules", [](LoraConfig& c, const Json& v) { c.exclude_modules = selection_of(v, "exclude_modules"); },
     [](const LoraConfig& c) { return json_of(c.exclude_modules); }},
    {"fan_in_fan_out", [](LoraConfig& c, const Json& v) { c.fan_in_fan_out = v.as_bool(); },
     [](const LoraConfig& c) { return Json(c.fan_in_fan_out); }},
    {"inference_mode", [](LoraConfig& c, const Json& v) { c.inference_mode = v.as_bool(); },
     [](const LoraConfig& c) { return Json(c.inference_mode); }},
    {"init_lora_weights", [](LoraConfig& c, const Json& v) { c.init_lora_weights = v; },
     [](const LoraConfig& c) { return c.init_lora_weights; }},
    {"layers_pattern", [](LoraConfig& c, const Json& v) { c.layers_pattern = names_of(v, "layers_pattern"); },
     [](const LoraConfig& c) { return json_of(c.layers_pattern); }},
    {"layers_to_transform", [](LoraConfig& c, const Json& v) { c.layers_to_transform = numbers_of(v); },
     [](const LoraConfig& c) {
       if (!c.layers_to_transform) return Json();
       Json out = Json::list();
       for (const auto layer : *c.layers_to_transform) out.push_back(layer);
       return out;
     }},
    {"lora_alpha", [](LoraConfig& c, const Json& v) { c.lora_alpha = v.as_double(); },
     [](const LoraConfig& c) { return number(c.lora_alpha); }},
    {"lora_bias", [](LoraConfig& c, const Json& v) { c.lora_bias = v.as_bool(); },
     [](const LoraConfig& c) { return Json(c.lora_bias); }},
    {"lora_dropout", [](LoraConfig& c, const Json& v) { c.lora_dropout = v.as_double(); },
     [](const LoraConfig& c) { return Json(c.lora_dropout); }},
    {"modules_to_save", [](LoraConfig& c, const Json& v) { c.modules_to_save = names_of(v, "modules_to_save"); },
     [](const LoraConfig& c) { return json_of(c.modules_to_save); }},
    {"r", [](LoraConfig& c, const Json& v) { c.r = v.as_int(); }, [](const LoraConfig& c) { return Json(c.r); }},
    {"rank_pattern",
     [](LoraConfig& c, const Json& v) {
       c.rank_pattern = patterns_of<int64_t>(v, [](const Json& x) { return x.as_int(); });
     },
     [](const LoraConfig& c) {
       Json out = Json::object();
       for (const auto& [pattern, rank] : c.rank_pattern) out[pattern] = rank;
       return out;
     }},
    {"revision", [](LoraConfig& c, const Json& v) { c.revision = v.as_string(); },
     [](const LoraConfig& c) { return json_of(c.revision); }},
    {"target_modules", [](LoraConfig& c, const Json& v) { c.target_modules = selection_of(v, "target_modules"); },
     [](const LoraConfig& c) { return json_of(c.target_modules); }},
    {"task_type", [](LoraConfig& c, const Json& v) { c.task_type = v.as_string(); },
     [](const LoraConfig& c) { return json_of(c.task_type); }},
    {"use_dora", [](LoraConfig& c, const Json& v) { c.use_dora = v.as_bool(); },
     [](const LoraConfig& c) { return Json(c.use_dora); }},
    {"use_rslora", [](LoraConfig& c, const Json& v) { c.use_rslora = v.as_bool(); },
     [](const LoraConfig& c) { return Json(c.use_rslora); }},
};

const Field* find_field(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFields), std::end(kFields), [&](const Field& f) { return f.name == name; });
  return found == std::end(kFields) ? nullptr : found;
}

// Initialisations that change the weights of the base model, which the adapter's tensors then count on, and others that
// this version does not make.
void check_initialisation(const Json& init, std::string_view where) {
  constexpr std::string_view harmless[] = {"gaussian", "eva", "orthogonal"};
  if (init.is_bool()) return;
  const auto name = init.is_string() ? to_lower_ascii(init.as_string()) : std::string(init.type_name());
  if (std::find(std::begin(harmless), std::end(harmless), name) == std::end(harmless))
    throw NotImplementedError(str(where, ": 'init_lora_weights' is ", quote(name),
                                  ", which changes the base model in a way that this version does not know; save the "
                                  "adapter converted to plain LoRA"));
}

void check_type(const Json& json, std::string_view where) {
  if (!json.is_object()) throw ValueError(str(where, ": is a JSON ", json.type_name(), ", expected an object"));
  const auto* type = json.find("peft_type");
  if (!type || !type->is_string())
    throw ValueError(str(where, ": has no 'peft_type', so it describes no adapter; add it"));
  if (type->as_string() != "LORA")
    throw NotImplementedError(
        str(where, ": the adapter is of the type ", quote(type->as_string()), ", this version has LORA only"));
}

}  // namespace

LoraConfig LoraConfig::from_dict(const Json& json, std::string_view where) {
  check_type(json, where);
  LoraConfig config;
  for (const auto& [key, value] : json.as_object()) {
    if (const auto* field = find_field(key)) {
      if (value.is_null()) continue;
      try {
        field->read(config, value);
      } catch (const Error& error) {
        throw ValueError(str(where, ": ", quote(key), ": ", error.what()));
      }
      continue;
    }
    const bool is_harmless =
        std::find(std::begin(kWithoutEffect), std::end(kWithoutEffect), key) != std::end(kWithoutEffect);
    if (!is_harmless && !is_off(value))
      throw NotImplementedError(
          str(where, ": sets ", quote(key),
              ", which this version does not know; the adapter would not compute what it should"));
    if (key != "peft_type") config.extra[key] = value;
  }
  config.validate(where);
  return config;
}

Json LoraConfig::to_dict() const {
  Json out = extra;
  out["peft_type"] = "LORA";
  for (const auto& field : kFields) out[field.name] = field.write(*this);
  return out;
}

void LoraConfig::validate(std::string_view where) const {
  const auto check_rank = [&](std::string_view key, int64_t rank) {
    if (rank < 1 || rank > kMostRank)
      throw ValueError(str(where, ": ", quote(key), " is ", rank, ", expected a rank of 1 to ", kMostRank));
  };
  const auto check_alpha = [&](std::string_view key, double alpha) {
    if (!(std::abs(alpha) <= kMostAlpha))
      throw ValueError(str(where, ": ", quote(key), " is ", float_repr(alpha), ", expected a number of a sane size"));
  };
  check_rank("r", r);
  check_alpha("lora_alpha", lora_alpha);
  for (const auto& [pattern, rank] : rank_pattern) check_rank(str("rank_pattern: ", pattern), rank);
  for (const auto& [pattern, alpha] : alpha_pattern) check_alpha(str("alpha_pattern: ", pattern), alpha);
  if (!(lora_dropout >= 0 && lora_dropout <= 1))
    throw ValueError(str(where, ": 'lora_dropout' is ", float_repr(lora_dropout), ", expected 0 to 1"));
  if (bias != "none" && bias != "all" && bias != "lora_only")
    throw ValueError(str(where, ": 'bias' is ", quote(bias), ", expected none, all or lora_only"));
  if (target_modules.empty())
    throw ValueError(str(where, ": has no 'target_modules'; name the layers that are adapted, or all-linear"));
  if (!target_modules.expression.empty() && layers_to_transform)
    throw ValueError(
        str(where, ": has 'layers_to_transform', which needs 'target_modules' to be a list, not an expression"));
  if (!layers_pattern.empty() && !layers_to_transform)
    throw ValueError(str(where, ": has 'layers_pattern' without 'layers_to_transform'; give both"));
  if (lora_bias && use_dora) throw ValueError(str(where, ": has 'lora_bias' and 'use_dora', which exclude each other"));
  check_initialisation(init_lora_weights, where);
}

double LoraConfig::scaling(int64_t rank, double alpha) const {
  const auto size = static_cast<double>(rank);
  return alpha / (use_rslora ? std::sqrt(size) : size);
}

}  // namespace transformers
