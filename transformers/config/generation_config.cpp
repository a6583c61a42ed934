#include "transformers/config/generation_config.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/config/config_field.h"
#include "transformers/config/config_file.h"
#include "transformers/config/version.h"

namespace transformers {

namespace {

using UserSet = std::optional<std::set<std::string, std::less<>>>;

constexpr std::string_view kOrigin = "_from_model_config";

// `fields` hands out pointers for writing; here they are only read.
std::vector<ConfigField> fields_of(const GenerationConfig& config) {
  return const_cast<GenerationConfig&>(config).fields();
}

void assign(const ConfigField& field, const Json& value, std::string_view where) {
  try {
    set_field(field, value);
  } catch (const Error& error) {
    throw ValueError(str(where, ": ", quote(field.name), ": ", error.what()));
  }
}

// Problems of one config, by field: those that make it unusable, and those that only have no effect.
struct Issues {
  const GenerationConfig& config;
  const UserSet& user_set;
  std::vector<std::string> errors = {}, warnings = {}, warned_fields = {};

  void require(bool holds, const std::string& text) {
    if (!holds) errors.push_back(text);
  }
  void warn(std::string_view field, const std::string& text) {
    warned_fields.emplace_back(field);
    warnings.push_back(text);
  }
  // A field that only works in a mode chosen by `outer`: worth a word unless the user chose the mode and a file the
  // field.
  void needs_mode(std::string_view outer, std::string_view field, const Json& neutral, std::string_view mode) {
    const auto value = config.get(field);
    if (value.is_null() || value == neutral) return;
    if (user_set && user_set->contains(outer) && !user_set->contains(field)) return;
    warn(field, str(quote(field), " is ", value.dump(), " and has no effect without ", mode));
  }
};

void check_values(Issues& issues) {
  const auto& c = issues.config;
  issues.require(c.early_stopping.is_null() || c.early_stopping.is_bool() || c.early_stopping == Json("never"),
                 str("early_stopping is ", c.early_stopping.dump(), ", expected a bool or \"never\""));
  issues.require(c.max_new_tokens.value_or(1) > 0,
                 str("max_new_tokens is ", c.max_new_tokens.value_or(1), ", expected more than 0"));
  const double weight = c.assistant_ensemble_weight.value_or(0.5);
  issues.require(weight > 0 && weight < 1, str("assistant_ensemble_weight is ", weight, ", expected between 0 and 1"));
  constexpr std::string_view caches[] = {"static",
                                         "offloaded_static",
                                         "sliding_window",
                                         "hybrid",
                                         "hybrid_chunked",
                                         "offloaded_hybrid",
                                         "offloaded_hybrid_chunked",
                                         "dynamic",
                                         "offloaded",
                                         "quantized",
                                         "paged"};
  if (c.cache_implementation)
    issues.require(std::find(std::begin(caches), std::end(caches), *c.cache_implementation) != std::end(caches),
                   str("cache_implementation is ", quote(*c.cache_implementation), ", expected one of ",
                       join(std::span<const std::string_view>(caches), ", ")));
  if (c.pad_token_id.value_or(0) < 0)
    issues.warn("pad_token_id", str("pad_token_id is ", *c.pad_token_id, ", expected an id of the vocabulary"));
}

void check_sampling(Issues& issues) {
  const std::pair<std::string_view, Json> sampling[] = {{"temperature", 1.0},    {"top_p", 1.0},     {"min_p", {}},
                                                        {"top_h", {}},           {"typical_p", 1.0}, {"top_k", 50},
                                                        {"epsilon_cutoff", 0.0}, {"eta_cutoff", 0.0}};
  if (!issues.config.do_sample.value_or(false))
    for (const auto& [field, neutral] : sampling) issues.needs_mode("do_sample", field, neutral, "do_sample");
  if (issues.config.num_beams.value_or(1) == 1) {
    issues.needs_mode("num_beams", "early_stopping", false, "num_beams above 1");
    issues.needs_mode("num_beams", "length_penalty", 1.0, "num_beams above 1");
  }
}

void check_counts(Issues& issues) {
  const auto& c = issues.config;
  const int64_t sequences = c.num_return_sequences.value_or(1), beams = c.num_beams.value_or(1);
  issues.require(sequences >= 1, str("num_return_sequences is ", sequences, ", expected at least 1"));
  issues.require(beams >= 1, str("num_beams is ", beams, ", expected at least 1"));
  if (beams == 1)
    issues.require(sequences <= 1 || c.do_sample.value_or(false),
                   str("num_return_sequences is ", sequences, ", but greedy generation has one result; set do_sample"));
  else
    issues.require(sequences <= beams,
                   str("num_return_sequences is ", sequences, ", expected at most num_beams, ", beams));
}

void check_outputs(Issues& issues) {
  const auto& c = issues.config;
  if (c.use_cache && !*c.use_cache)
    for (const auto* field : {"cache_implementation", "cache_config"})
      if (!c.get(field).is_null()) issues.warn(field, str(field, " is set and has no effect without use_cache"));
  if (c.return_dict_in_generate.value_or(false)) return;
  for (const auto* field : {"output_attentions", "output_hidden_states", "output_scores", "output_logits"})
    if (c.get(field) == Json(true))
      issues.warn(field, str(field, " is set and has no effect without return_dict_in_generate"));
}

// A token that is forced and suppressed at once leaves no token with a probability.
void check_forced(Issues& issues) {
  const auto& c = issues.config;
  const auto suppressed = token_ids(c.suppress_tokens, "suppress_tokens");
  for (const auto* field : {"forced_bos_token_id", "forced_eos_token_id"}) {
    const auto forced = token_ids(c.get(field), field);
    const auto is_suppressed = [&](int64_t id) {
      return std::find(suppressed.begin(), suppressed.end(), id) != suppressed.end();
    };
    issues.require(forced.empty() || !std::all_of(forced.begin(), forced.end(), is_suppressed),
                   str(field, " is in suppress_tokens too, so that no token is left; remove it from one of them"));
  }
}

void check_strangers(Issues& issues) {
  for (const auto* name : {"logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "synced_gpus",
                           "assistant_model", "streamer", "negative_prompt_ids", "negative_prompt_attention_mask"})
    issues.require(!issues.config.extra.contains(name), str(name, " is an argument of generate, not a field"));
}

const ConfigField* find_field(const std::vector<ConfigField>& all, std::string_view name) {
  const auto field = std::find_if(all.begin(), all.end(), [&](const ConfigField& f) { return f.name == name; });
  return field == all.end() ? nullptr : &*field;
}

}  // namespace

std::vector<ConfigField> GenerationConfig::fields() {
  std::vector<ConfigField> all = {TRANSFORMERS_FIELDS(
      max_length, max_new_tokens, min_length, min_new_tokens, early_stopping, max_time, stop_strings, do_sample,
      num_beams, use_mtp, use_cache, cache_implementation, cache_config, max_cache_len, temperature, top_k, top_p,
      min_p, top_h, typical_p, epsilon_cutoff, eta_cutoff, repetition_penalty, encoder_repetition_penalty,
      length_penalty, no_repeat_ngram_size, bad_words_ids, renormalize_logits, forced_bos_token_id, forced_eos_token_id,
      remove_invalid_values, exponential_decay_length_penalty, suppress_tokens, begin_suppress_tokens, sequence_bias,
      token_healing, guidance_scale, watermarking_config)};
  const std::vector<ConfigField> rest = {TRANSFORMERS_FIELDS(
      num_return_sequences, output_attentions, output_hidden_states, output_scores, output_logits,
      return_dict_in_generate, pad_token_id, bos_token_id, eos_token_id, encoder_no_repeat_ngram_size,
      decoder_start_token_id, is_assistant, num_assistant_tokens, num_assistant_tokens_schedule,
      assistant_confidence_threshold, prompt_lookup_num_tokens, max_matching_ngram_size, assistant_early_exit,
      assistant_lookbehind, target_lookbehind, assistant_ensemble_weight, speculation_type, compile_config,
      disable_compile, continuous_batching_config, prefill_chunk_size, low_memory, penalty_alpha, dola_layers,
      diversity_penalty, num_beam_groups, constraints, force_words_ids)};
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

bool GenerationConfig::has_field(std::string_view name) {
  GenerationConfig config;
  return find_field(config.fields(), name) != nullptr;
}

Json GenerationConfig::get(std::string_view name) const {
  for (const auto& field : fields_of(*this))
    if (field.name == name) return get_field(field);
  const auto* value = extra.find(name);
  return value ? *value : Json();
}

GenerationConfig GenerationConfig::from_folder(const std::filesystem::path& folder, std::string_view file) {
  const auto path = path_inside(folder, file, "the name of the generation config");
  auto config = from_dict(read_config_file(path), path.native());
  config.read_as = config.to_dict();
  return config;
}

GenerationConfig GenerationConfig::from_dict(const Json& json, std::string_view where) {
  if (!json.is_object()) throw OSError(str(where, ": is a JSON ", json.type_name(), ", expected an object"));
  GenerationConfig config;
  if (const auto* origin = json.find(kOrigin); origin && origin->is_bool())
    config.is_from_model_config = origin->as_bool();
  const auto all = config.fields();
  for (const auto& [key, value] : json.as_object()) {
    if (const auto* field = find_field(all, key))
      assign(*field, value, where);
    else if (key != kOrigin && key != "_commit_hash" && key != "transformers_version" &&
             !config.is_from_model_config.value_or(false))
      config.extra[key] = value;  // beside these, a file made from a model's config holds that model's keys
  }
  if (config.is_from_model_config.value_or(false) && json.get("force_bos_token_to_be_generated", false))
    config.forced_bos_token_id = config.bos_token_id;
  try {
    config.validate();
  } catch (const ValueError& error) {
    throw ValueError(str(where, ": ", error.what()));
  }
  return config;
}

GenerationConfig GenerationConfig::from_model_config(const PretrainedConfig& model) {
  Json known = Json::object();
  const auto collect = [&](const Json& source) {
    for (const auto& [key, value] : source.as_object())
      if (!value.is_null() && has_field(key) && !known.contains(key)) known[key] = value;
  };
  const auto own = model.to_dict();
  collect(own);
  for (const auto* part : {"decoder", "generator", "text_config"})
    if (const auto* nested = own.find(part); nested && nested->is_object()) {
      collect(*nested);
      break;
    }
  known[kOrigin] = true;
  for (const auto* output : {"output_attentions", "output_hidden_states", "output_scores", "output_logits"})
    if (known.get(output, false)) known["return_dict_in_generate"] = true;
  auto config = from_dict(known, str("the config of the ", model.model_type(), " model"));
  config.read_as = config.to_dict();
  return config;
}

Json GenerationConfig::update(const Json& kwargs) {
  const auto all = fields();
  std::set<std::string, std::less<>> user_set;
  Json unused = Json::object();
  for (const auto& [key, value] : kwargs.as_object()) {
    const auto* field = find_field(all, key);
    if (!field && !extra.contains(key)) {
      unused[key] = value;
      continue;
    }
    if (!field)
      extra[key] = value;
    else
      assign(*field, value, "the arguments of generation");
    user_set.insert(key);
  }
  validate(false, user_set);
  return unused;
}

void GenerationConfig::fill_from(const GenerationConfig& other) {
  const auto own = fields();
  const auto theirs = fields_of(other);
  for (size_t i = 0; i < own.size(); ++i)
    if (get_field(own[i]).is_null()) set_field(own[i], get_field(theirs[i]));
  for (const auto& [key, value] : other.extra.as_object())
    if (!extra.contains(key)) extra[key] = value;
}

GenerationConfig GenerationConfig::global_defaults() {
  GenerationConfig config;
  config.max_length = config.num_assistant_tokens = 20;
  config.min_length = config.no_repeat_ngram_size = config.encoder_no_repeat_ngram_size = 0;
  config.do_sample = config.output_scores = config.return_dict_in_generate = config.remove_invalid_values = false;
  config.use_cache = true;
  config.early_stopping = false;
  config.num_beams = config.num_return_sequences = config.num_beam_groups = 1;
  config.temperature = config.top_p = config.typical_p = config.repetition_penalty = config.length_penalty =
      config.encoder_repetition_penalty = 1.0;
  config.top_k = 50;
  config.epsilon_cutoff = config.eta_cutoff = config.diversity_penalty = 0.0;
  config.num_assistant_tokens_schedule = "constant";
  config.assistant_confidence_threshold = 0.4;
  config.assistant_lookbehind = config.target_lookbehind = 10;
  return config;
}

void GenerationConfig::validate(bool strict, const UserSet& user_set) const {
  Issues issues{*this, user_set};
  check_values(issues);
  check_sampling(issues);
  check_counts(issues);
  check_outputs(issues);
  check_forced(issues);
  check_strangers(issues);
  if (max_cache_len && cache_implementation != "static" && cache_implementation != "offloaded_static")
    logging::warning_once("max_cache_len is set and has no effect without a static cache_implementation");
  if (strict) issues.errors.insert(issues.errors.end(), issues.warnings.begin(), issues.warnings.end());
  if (!issues.errors.empty()) throw ValueError(str("the generation config is invalid: ", join(issues.errors, "; ")));
  if (issues.warnings.empty()) return;
  logging::warning_once(str("these generation settings have no effect: ", join(issues.warned_fields, ", ")));
  logging::info(join(issues.warnings, "; "));
}

Json GenerationConfig::to_dict() const {
  Json out = Json::object();
  for (const auto& field : fields_of(*this)) out[field.name] = get_field(field);
  for (const auto& [key, value] : extra.as_object()) out[key] = value;
  out[kOrigin] = is_from_model_config ? Json(*is_from_model_config) : Json();
  out["transformers_version"] = std::string(kReferenceVersion);
  return out;
}

Json GenerationConfig::to_diff_dict() const {
  Json out = Json::object();
  const auto all = to_dict();
  // The default of every field is null; an extra key is written whatever it holds.
  for (const auto& [key, value] : all.as_object())
    if (!value.is_null() || extra.contains(key)) out[key] = value;
  return out;
}

std::string GenerationConfig::to_json_string(bool use_diff) const {
  return (use_diff ? to_diff_dict() : to_dict()).dump({.indent = 2, .sort_keys = true, .ensure_ascii = true}) + "\n";
}

void GenerationConfig::save_pretrained(const std::filesystem::path& folder, std::string_view file) const {
  try {
    validate(/*strict=*/to_dict() != read_as);
  } catch (const ValueError& error) {
    throw ValueError(str(error.what(), "; correct this to save it"));
  }
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) throw OSError(str(folder, ": cannot be created: ", code.message()));
  auto out = to_diff_dict();
  out.erase("compile_config");
  write_text_atomic(folder / file, out.dump({.indent = 2, .sort_keys = true, .ensure_ascii = true}) + "\n");
}

bool GenerationConfig::operator==(const GenerationConfig& other) const {
  auto own = to_dict(), theirs = other.to_dict();
  own.erase(kOrigin);
  theirs.erase(kOrigin);
  return own == theirs;
}

}  // namespace transformers
