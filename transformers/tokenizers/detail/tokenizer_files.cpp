#include <algorithm>
#include <charconv>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/tokenizer_state.h"

namespace transformers::detail {

namespace fs = std::filesystem;

const AddedToken* Settings::find(std::string_view role) const {
  for (const auto& [name, token] : special)
    if (name == role) return &token;
  return nullptr;
}

void Settings::set(std::string_view role, AddedToken token) {
  for (auto& [name, present] : special)
    if (name == role) {
      present = std::move(token);
      return;
    }
  special.emplace_back(role, std::move(token));
}

void Settings::set_default(std::string_view role, std::string_view content) {
  if (find(role) == nullptr && !config.contains(role))
    set(role, {.content = std::string(content), .normalized = false, .special = true});
}

AddedToken parse_special_token(const Json& json, const std::string& where) {
  if (json.is_string()) return {.content = json.as_string(), .normalized = false, .special = true};
  const Fields fields(json, where);
  // The reference's AddedToken is normalised unless it says otherwise or is special.
  AddedToken token = parse_added_token(fields);
  token.normalized = fields.flag("normalized", false);
  token.special = true;
  return token;
}

namespace {

bool is_role(std::string_view key) { return std::find(std::begin(kRoles), std::end(kRoles), key) != std::end(kRoles); }

std::optional<Side> parse_side(const Fields& fields, std::string_view key) {
  if (fields.find(key) == nullptr) return std::nullopt;
  const std::string side = fields.text(key);
  if (side != "left" && side != "right") fields.fail(key, str("must be left or right, found ", quote(side)));
  return side == "left" ? Side::Left : Side::Right;
}

// Absent for the reference's stand-in for "no limit", 1e30, and everything else that no text reaches.
std::optional<int64_t> parse_max_length(const Fields& fields) {
  const Json* value = fields.find("model_max_length");
  if (value == nullptr) value = fields.find("max_len");
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || value->as_double() < 0) fields.fail("model_max_length", "must be a number from 0 on");
  if (value->is_int()) return value->as_int();
  return value->as_double() < 9e15 ? std::optional(static_cast<int64_t>(value->as_double())) : std::nullopt;
}

void read_special_entry(Settings& settings, const std::string& key, const Json& value, const std::string& where) {
  if (value.is_null()) return;
  const bool is_list = key == "additional_special_tokens" || key == "extra_special_tokens";
  if (is_list && value.is_array()) {
    for (const auto& token : value.as_array()) {
      const auto parsed = parse_special_token(token, str(where, ": ", key));
      if (std::find(settings.extra_special.begin(), settings.extra_special.end(), parsed) ==
          settings.extra_special.end())
        settings.extra_special.push_back(parsed);
    }
  } else if (is_list && value.is_object()) {
    for (const auto& [role, token] : value.as_object())
      settings.set(role, parse_special_token(token, str(where, ": ", role)));
  } else if (is_role(key) || (key.ends_with("_token") && (value.is_string() || value.is_object()))) {
    settings.set(key, parse_special_token(value, str(where, ": ", key)));
  }
}

void read_added_decoder(Settings& settings, const Fields& config) {
  std::vector<std::pair<int64_t, AddedToken>> tokens;
  const Fields decoder = config.child("added_tokens_decoder");
  for (const auto& [key, json] : decoder.json().as_object()) {
    int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0)
      decoder.fail(key, "must be named by a token id");
    tokens.emplace_back(id, parse_added_token(Fields(json, str(decoder.where(), ".", key))));
  }
  std::stable_sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, token] : tokens) settings.added.push_back(std::move(token));
}

// added_tokens.json of old versions: {token: id}.
void read_added_file(Settings& settings, const fs::path& file) {
  const Json json = Json::parse_file(file);
  const Fields fields(json, file.native());
  std::vector<std::pair<int64_t, std::string>> tokens;
  for (const auto& [content, id] : json.as_object()) {
    if (!as_token_id(id)) fields.fail(content, "must be a token id");
    tokens.emplace_back(*as_token_id(id), content);
  }
  std::sort(tokens.begin(), tokens.end());
  for (auto& [id, content] : tokens) {
    const auto holds = [&text = content](const AddedToken& token) { return token.content == text; };
    bool special = std::any_of(settings.extra_special.begin(), settings.extra_special.end(), holds);
    for (const auto& entry : settings.special) special |= holds(entry.second);
    settings.added.push_back({.content = std::move(content), .normalized = !special, .special = special});
  }
}

void read_config(Settings& settings, const Fields& config) {
  for (const auto& [key, value] : config.json().as_object()) read_special_entry(settings, key, value, config.where());
  settings.cleans_up = config.flag("clean_up_tokenization_spaces", false);
  settings.padding_side = parse_side(config, "padding_side");
  settings.truncation_side = parse_side(config, "truncation_side");
  settings.model_max_length = parse_max_length(config);
}

void read_bos_eos(Settings& settings, const Fields& config) {
  settings.sets_post_processor = config.find("add_bos_token") != nullptr || config.find("add_eos_token") != nullptr;
  settings.add_bos = config.flag("add_bos_token", false);
  settings.add_eos = config.flag("add_eos_token", false);
}

void read_config_templates(Settings& settings, const std::string& where) {
  const Json* const value = settings.config.find("chat_template");
  if (value == nullptr || value->is_null()) return;
  if (value->is_string()) {
    settings.chat_templates["default"] = value->as_string();
    return;
  }
  if (!value->is_array())
    throw ValueError(str(where, ": field 'chat_template' must be a string or a list, found ", value->type_name()));
  for (const auto& entry : value->as_array()) {
    const Fields fields(entry, str(where, ": chat_template"));
    settings.chat_templates[fields.text("name")] = fields.text("template");
  }
}

}  // namespace

void read_chat_templates(const fs::path& folder, Settings& settings) {
  std::map<std::string, std::string> found;
  if (fs::exists(folder / "chat_template.jinja")) found["default"] = read_text(folder / "chat_template.jinja");
  for (const auto* name : {"additional_chat_templates", "chat_templates"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder / name, error))
      if (entry.path().extension() == ".jinja") found[entry.path().stem().native()] = read_text(entry.path());
  }
  if (!found.empty()) {
    settings.chat_templates = std::move(found);
    return;
  }
  read_config_templates(settings, (folder / "tokenizer_config.json").native());
  const fs::path legacy = folder / "chat_template.json";
  if (settings.chat_templates.empty() && fs::exists(legacy)) {
    const Json json = Json::parse_file(legacy);
    settings.chat_templates["default"] = Fields(json, legacy.native()).text("chat_template");
  }
}

Settings read_settings(const fs::path& folder, bool has_tokenizer_json) {
  Settings settings;
  const fs::path file = folder / "tokenizer_config.json", map = folder / "special_tokens_map.json";
  if (fs::exists(file)) settings.config = Json::parse_file(file);
  const Fields config(settings.config, file.native());
  read_config(settings, config);
  if (!has_tokenizer_json) read_bos_eos(settings, config);
  if (config.find("added_tokens_decoder") != nullptr) {
    read_added_decoder(settings, config);
  } else {
    if (fs::exists(map)) {
      const Json json = Json::parse_file(map);
      const Fields fields(json, map.native());
      for (const auto& [key, value] : json.as_object()) read_special_entry(settings, key, value, fields.where());
    }
    if (fs::exists(folder / "added_tokens.json")) read_added_file(settings, folder / "added_tokens.json");
  }
  read_chat_templates(folder, settings);
  return settings;
}

}  // namespace transformers::detail
