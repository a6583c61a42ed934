#include "transformers/config/config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/config/config_field.h"
#include "transformers/config/generation_config.h"
#include "transformers/config/version.h"

namespace transformers {

namespace {

// JSON has no infinities: the reference writes them as {"__float__": "Infinity"}.
constexpr std::pair<std::string_view, double> kSpecialFloats[] = {
    {"Infinity", std::numeric_limits<double>::infinity()},
    {"-Infinity", -std::numeric_limits<double>::infinity()},
    {"NaN", std::numeric_limits<double>::quiet_NaN()}};

Json decode_special(const Json& json) {
  if (json.is_array()) {
    Json::Array out;
    for (const auto& item : json.as_array()) out.push_back(decode_special(item));
    return out;
  }
  if (!json.is_object()) return json;
  if (const auto* special = json.find("__float__"); special && json.size() == 1 && special->is_string())
    for (const auto& [name, value] : kSpecialFloats)
      if (special->as_string() == name) return value;
  Json::Object out;
  for (const auto& [key, value] : json.as_object()) out.emplace_back(key, decode_special(value));
  return out;
}

Json encode_special(const Json& json) {
  if (json.is_double() && !std::isfinite(json.as_double())) {
    const double value = json.as_double();
    return Json::Object{{"__float__", std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"}};
  }
  if (json.is_array()) {
    Json::Array out;
    for (const auto& item : json.as_array()) out.push_back(encode_special(item));
    return out;
  }
  if (!json.is_object()) return json;
  Json::Object out;
  for (const auto& [key, value] : json.as_object()) out.emplace_back(key, encode_special(value));
  return out;
}

void check_integer(std::string_view name, int64_t value) {
  if (name.ends_with("token_id")) return;
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // the product of two fields fits int64_t
  if (value < 0 || value > kMost) throw ValueError(str("is ", value, ", expected a number from 0 to ", kMost));
}

// Readers, one per kind of field; chosen by overload.
struct Assign {
  std::string_view name;
  const Json& value;

  void operator()(bool* target) const { *target = value.as_bool(); }
  void operator()(int64_t* target) const {
    check_integer(name, value.as_int());
    *target = value.as_int();
  }
  void operator()(double* target) const { *target = value.as_double(); }
  void operator()(std::string* target) const { *target = value.as_string(); }
  template <class T>
  void operator()(std::optional<T>* target) const {
    T read{};
    (*this)(&read);
    *target = read;
  }
  void operator()(std::vector<int64_t>* target) const {
    std::vector<int64_t> out;
    for (const auto& item : value.as_array()) out.push_back(item.as_int());
    *target = std::move(out);
  }
  void operator()(std::vector<std::string>* target) const {
    std::vector<std::string> out;
    for (const auto& item : value.as_array()) out.push_back(item.as_string());
    *target = std::move(out);
  }
  void operator()(Json* target) const { *target = value; }
};

// The value that stands for null: an absent optional; other kinds keep their default.
struct Clear {
  template <class T>
  void operator()(std::optional<T>* target) const {
    target->reset();
  }
  void operator()(Json* target) const { *target = Json(); }
  template <class T>
  void operator()(std::vector<T>* target) const {
    target->clear();
  }
  template <class T>
  void operator()(T*) const {}
};

struct ToJson {
  template <class T>
  Json operator()(const T* source) const {
    return Json(*source);
  }
  template <class T>
  Json operator()(const std::optional<T>* source) const {
    return *source ? Json(**source) : Json();
  }
  template <class T>
  Json operator()(const std::vector<T>* source) const {
    Json::Array out(source->begin(), source->end());
    return out;
  }
};

}  // namespace

void set_field(const ConfigField& field, const Json& value) {
  value.is_null() ? std::visit(Clear{}, field.target) : std::visit(Assign{field.name, value}, field.target);
}

Json get_field(const ConfigField& field) { return std::visit(ToJson{}, field.target); }

std::vector<int64_t> token_ids(const Json& json, std::string_view name) {
  if (json.is_null()) return {};
  if (json.is_int()) return {json.as_int()};
  std::vector<int64_t> out;
  if (json.is_array())
    for (const auto& item : json.as_array()) {
      if (!item.is_int()) throw ValueError(str(quote(name), " holds a ", item.type_name(), ", expected token ids"));
      out.push_back(item.as_int());
    }
  else
    throw ValueError(str(quote(name), " is a ", json.type_name(), ", expected a token id or a list of them"));
  return out;
}

void PretrainedConfig::set_num_labels(int64_t count) {
  if (count < 1 || count > 1'000'000) throw ValueError(str("num_labels is ", count, ", expected 1 to 1000000"));
  if (count == num_labels()) return;
  id2label.clear();
  for (int64_t i = 0; i < count; ++i) id2label[i] = str("LABEL_", i);
}

// The reference keeps both as they are given and reads `id2label`; we write the other anew.
static void warn_of_other_ids(const Json* label2id, const std::map<int64_t, std::string>& id2label,
                              std::string_view where) {
  if (!label2id || !label2id->is_object()) return;
  const auto differs = [&](const Json& given, const std::string& label) {
    const auto at = given.is_int() ? id2label.find(given.as_int()) : id2label.end();
    return given.is_int() && (at == id2label.end() || at->second != label);
  };
  for (const auto& [id, label] : id2label)
    if (const auto* given = label2id->find(label); given && differs(*given, label))
      return logging::warning(str(where, ": 'label2id' gives ", quote(label), " the number ", given->as_int(),
                                  ", 'id2label' gives it ", id, "; 'id2label' is used"));
}

void PretrainedConfig::read_labels(const Json& json, std::string_view where) {
  const auto* labels = json.find("id2label");
  if (labels && !labels->is_null()) {
    if (!labels->is_object())
      throw ValueError(str(where, ": 'id2label' is a ", labels->type_name(),
                           ", expected an object of names by number, such as {\"0\": \"LABEL_0\"}"));
    std::map<int64_t, std::string> read;
    for (const auto& [key, value] : labels->as_object()) {
      int64_t id = 0;
      const auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (code != std::errc{} || end != key.data() + key.size())
        throw ValueError(str(where, ": the key ", quote(key), " of 'id2label' is not a number"));
      read[id] = value.is_string() ? value.as_string() : value.dump();
    }
    id2label = std::move(read);
    const int64_t wanted = json.get("num_labels", num_labels());
    if (wanted != num_labels())
      logging::warning(str(where, ": num_labels ", wanted, " does not fit 'id2label' with ", num_labels(),
                           " entries; the entries are used"));
    warn_of_other_ids(json.find("label2id"), id2label, where);
  } else if (json.contains("num_labels")) {
    set_num_labels(json.get("num_labels", num_labels()));
  }
}

bool PretrainedConfig::read_common(const std::string& key, const Json& value) {
  const ConfigField common[] = {{"architectures", &architectures},
                                {"output_hidden_states", &output_hidden_states},
                                {"output_attentions", &output_attentions},
                                {"return_dict", &return_dict},
                                {"dtype", &dtype},
                                {"chunk_size_feed_forward", &chunk_size_feed_forward},
                                {"is_encoder_decoder", &is_encoder_decoder},
                                {"problem_type", &problem_type}};
  for (const auto& field : common)
    if (field.name == key) {
      value.is_null() ? std::visit(Clear{}, field.target) : std::visit(Assign{key, value}, field.target);
      return true;
    }
  // Private keys of a file are data that nobody asked for (CVE-2026-4372); the rest is made anew on save.
  constexpr std::string_view ignored[] = {"model_type",
                                          "transformers_version",
                                          "id2label",
                                          "label2id",
                                          "num_labels",
                                          "torch_dtype",
                                          "_name_or_path",
                                          "_commit_hash",
                                          "attn_implementation",
                                          "_attn_implementation",
                                          "_attn_implementation_internal",
                                          "_experts_implementation_internal",
                                          "attn_implementation_internal"};
  return std::find(std::begin(ignored), std::end(ignored), key) != std::end(ignored);
}

void PretrainedConfig::update(const Json& source, std::string_view where) {
  if (!source.is_object()) throw OSError(str(where, ": is a JSON ", source.type_name(), ", expected an object"));
  const Json json = decode_special(source);
  const auto own = fields();
  for (const auto& [key, value] : json.as_object()) {
    try {
      std::string_view name = key;
      for (const auto& [alias, field] : attribute_map())
        if (alias == key) name = field;
      bool known = read_common(key, value);
      for (const auto& field : own)
        if (field.name == name) {
          known = true;
          value.is_null() ? std::visit(Clear{}, field.target) : std::visit(Assign{name, value}, field.target);
        }
      if (!known) extra[key] = value;
      if (key == "torch_dtype" && !json.contains("dtype") && value.is_string()) dtype = value.as_string();
    } catch (const Error& error) {
      throw ValueError(str(where, ": ", quote(key), ": ", error.what()));
    }
  }
  if (dtype && dtype->starts_with("torch.")) dtype = dtype->substr(6);
  try {
    read_labels(json, where);
    resolve(where);
  } catch (const TypeError& error) {
    throw ValueError(str(where, ": ", error.what()));
  }
}

void PretrainedConfig::resolve(std::string_view where) {
  if (where.empty()) where = model_type();
  check_constraints(*this, where);
  finish(where);
}

void PretrainedConfig::finish(std::string_view) {}

Json PretrainedConfig::override_with(const Json& kwargs) {
  Json overrides = Json::object(), rest = Json::object();
  for (const auto& [key, value] : kwargs.as_object())
    (key == "num_labels" || has_field(key) ? overrides : rest)[key] = value;
  update(overrides, "kwargs");
  return rest;
}

bool PretrainedConfig::has_field(std::string_view name) const {
  for (const auto& [alias, field] : attribute_map())
    if (alias == name) return true;
  return !extra.contains(name) && to_dict().contains(name);
}

Json PretrainedConfig::get(std::string_view name) const {
  for (const auto& [alias, field] : attribute_map())
    if (alias == name) name = field;
  // `fields` hands out pointers for writing; here they are only read.
  for (const auto& field : const_cast<PretrainedConfig*>(this)->fields())
    if (field.name == name) return std::visit(ToJson{}, field.target);
  if (name == "is_encoder_decoder") return is_encoder_decoder;
  if (name == "num_labels") return num_labels();
  const auto* value = extra.find(name);
  return value ? *value : Json();
}

namespace {

void add_labels(Json& out, const std::map<int64_t, std::string>& id2label) {
  Json::Object forward, backward;
  for (const auto& [id, label] : id2label) {
    forward.emplace_back(std::to_string(id), label);
    backward.emplace_back(label, id);
  }
  out["id2label"] = std::move(forward);
  out["label2id"] = std::move(backward);
}

}  // namespace

Json PretrainedConfig::to_dict() const {
  Json out = Json::object();
  out["transformers_version"] = std::string(kReferenceVersion);
  out["architectures"] = architectures.empty() ? Json() : ToJson{}(&architectures);
  out["output_hidden_states"] = output_hidden_states;
  out["output_attentions"] = output_attentions;
  out["return_dict"] = return_dict;
  out["dtype"] = ToJson{}(&dtype);
  out["chunk_size_feed_forward"] = chunk_size_feed_forward;
  out["is_encoder_decoder"] = is_encoder_decoder;
  add_labels(out, id2label);
  out["problem_type"] = ToJson{}(&problem_type);
  for (const auto& field : const_cast<PretrainedConfig*>(this)->fields())
    out[field.name] = std::visit(ToJson{}, field.target);
  for (const auto& [key, value] : extra.as_object()) out[key] = value;
  out["model_type"] = model_type();
  return out;
}

Json PretrainedConfig::to_diff_dict() const {
  Json out = to_dict();
  const auto own = const_cast<PretrainedConfig*>(this)->fields();
  // A class that lists a common field among its own has another default for it and always writes it.
  const auto drop_if = [&](std::string_view key, bool drop) {
    const bool is_own =
        std::any_of(own.begin(), own.end(), [&](const ConfigField& field) { return field.name == key; });
    if (drop && !is_own) out.erase(key);
  };
  drop_if("architectures", architectures.empty());
  drop_if("output_hidden_states", !output_hidden_states);
  drop_if("output_attentions", !output_attentions);
  drop_if("return_dict", return_dict);
  drop_if("dtype", !dtype);
  drop_if("chunk_size_feed_forward", chunk_size_feed_forward == 0);
  drop_if("is_encoder_decoder", !is_encoder_decoder);
  drop_if("problem_type", !problem_type);
  const std::map<int64_t, std::string> usual = {{0, "LABEL_0"}, {1, "LABEL_1"}};
  // Old files keep generation settings here; they belong into generation_config.json.
  for (const auto& [key, value] : extra.as_object())
    drop_if(key, GenerationConfig::has_field(key) && !key.ends_with("token_id"));
  drop_if("id2label", id2label == usual);
  drop_if("label2id", id2label == usual);
  return out;
}

std::string PretrainedConfig::to_json_string(bool use_diff) const {
  return encode_special(use_diff ? to_diff_dict() : to_dict())
             .dump({.indent = 2, .sort_keys = true, .ensure_ascii = true}) +
         "\n";
}

void PretrainedConfig::save_pretrained(const std::filesystem::path& folder) const {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) throw OSError(str(folder, ": cannot be created: ", code.message()));
  write_text_atomic(folder / "config.json", to_json_string());
}

}  // namespace transformers
