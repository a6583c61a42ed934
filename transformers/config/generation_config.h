#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/config/config.h"

namespace transformers {

struct PushToHubOptions;

/// How text is generated: public fields with the reference's names, kept in generation_config.json. An absent field
/// (all of them at first) means "not set": generate fills it from the model's own config, then from
/// `global_defaults`. Keys that no field knows are kept in `extra`. Reference: GenerationConfig.
struct GenerationConfig {
  // Length
  std::optional<int64_t> max_length = {};      // prompt included; with no limit set: 20 new tokens
  std::optional<int64_t> max_new_tokens = {};  // goes before max_length
  std::optional<int64_t> min_length = {};
  std::optional<int64_t> min_new_tokens = {};  // goes before min_length
  Json early_stopping = {};                    // a bool or "never"
  std::optional<double> max_time = {};         // seconds
  Json stop_strings = {};                      // a string or a list of them
  // Strategy
  std::optional<bool> do_sample = {};
  std::optional<int64_t> num_beams = {};
  std::optional<bool> use_mtp = {};
  // Cache
  std::optional<bool> use_cache = {};
  std::optional<std::string> cache_implementation = {};  // "dynamic", "static"
  Json cache_config = {};
  std::optional<int64_t> max_cache_len = {};  // smallest size of a static cache
  // Scores
  std::optional<double> temperature = {};
  std::optional<int64_t> top_k = {};
  std::optional<double> top_p = {};
  std::optional<double> min_p = {};
  std::optional<double> top_h = {};
  std::optional<double> typical_p = {};
  std::optional<double> epsilon_cutoff = {};
  std::optional<double> eta_cutoff = {};
  std::optional<double> repetition_penalty = {};
  std::optional<double> encoder_repetition_penalty = {};
  std::optional<double> length_penalty = {};
  std::optional<int64_t> no_repeat_ngram_size = {};
  Json bad_words_ids = {};  // a list of lists of ids
  std::optional<bool> renormalize_logits = {};
  std::optional<int64_t> forced_bos_token_id = {};
  Json forced_eos_token_id = {};  // an id or a list of them
  std::optional<bool> remove_invalid_values = {};
  Json exponential_decay_length_penalty = {};  // [new tokens before it starts, factor]
  Json suppress_tokens = {};                   // a list of ids
  Json begin_suppress_tokens = {};             // a list of ids
  Json sequence_bias = {};                     // a list of [[ids …], bias]
  std::optional<bool> token_healing = {};
  std::optional<double> guidance_scale = {};
  Json watermarking_config = {};
  // Output
  std::optional<int64_t> num_return_sequences = {};
  std::optional<bool> output_attentions = {};
  std::optional<bool> output_hidden_states = {};
  std::optional<bool> output_scores = {};
  std::optional<bool> output_logits = {};
  std::optional<bool> return_dict_in_generate = {};
  // Special tokens
  std::optional<int64_t> pad_token_id = {};
  std::optional<int64_t> bos_token_id = {};
  Json eos_token_id = {};  // an id or a list of them
  // Encoder-decoder
  std::optional<int64_t> encoder_no_repeat_ngram_size = {};
  Json decoder_start_token_id = {};  // an id, or a list with one for each row
  // Assisted generation
  std::optional<bool> is_assistant = {};
  std::optional<int64_t> num_assistant_tokens = {};
  std::optional<std::string> num_assistant_tokens_schedule = {};
  std::optional<double> assistant_confidence_threshold = {};
  std::optional<int64_t> prompt_lookup_num_tokens = {};
  std::optional<int64_t> max_matching_ngram_size = {};
  std::optional<int64_t> assistant_early_exit = {};
  std::optional<int64_t> assistant_lookbehind = {};
  std::optional<int64_t> target_lookbehind = {};
  std::optional<double> assistant_ensemble_weight = {};
  std::optional<std::string> speculation_type = {};
  // Speed
  Json compile_config = {};
  std::optional<bool> disable_compile = {};
  Json continuous_batching_config = {};
  std::optional<int64_t> prefill_chunk_size = {};
  // Old
  std::optional<bool> low_memory = {};
  std::optional<double> penalty_alpha = {};
  Json dola_layers = {};
  std::optional<double> diversity_penalty = {};
  std::optional<int64_t> num_beam_groups = {};
  Json constraints = {};
  Json force_words_ids = {};

  std::optional<bool> is_from_model_config = {};  // `_from_model_config`: made from a config.json, not set by anyone
  Json extra = Json::object();                    // unknown keys
  Json read_as = {};                              // `to_dict` when it was read: what is unchanged may always be saved

  /// Every field by name.
  [[nodiscard]] std::vector<ConfigField> fields();
  /// True when a field is called `name`.
  [[nodiscard]] static bool has_field(std::string_view name);
  /// The value of a field or extra key; null when it is absent.
  [[nodiscard]] Json get(std::string_view name) const;

  /// Reads `folder`/`file`. Throws FileNotFoundError, OSError, ValueError naming the file and the key.
  [[nodiscard]] static GenerationConfig from_folder(const std::filesystem::path& folder,
                                                    std::string_view file = "generation_config.json");
  /// The same of a folder or a Hub id, with `kwargs` on top. Throws also HubError and its kinds, TypeError for what is
  /// no field. Defined in pretrained.
  [[nodiscard]] static GenerationConfig from_pretrained(const std::string& name_or_path,
                                                        const ConfigFromPretrainedOptions& options,
                                                        std::string_view file = "generation_config.json");
  [[nodiscard]] static GenerationConfig from_pretrained(const std::string& name_or_path) {
    return from_pretrained(name_or_path, {});
  }
  /// `where` names the source in errors.
  [[nodiscard]] static GenerationConfig from_dict(const Json& json, std::string_view where = "the generation config");
  /// What a model's config says about generation: token ids, and what old files keep there.
  [[nodiscard]] static GenerationConfig from_model_config(const PretrainedConfig& config);

  /// Sets the fields named in `kwargs`, validates, and returns the keys that are no fields.
  Json update(const Json& kwargs);
  /// Takes from `other` what is not set here, extra keys included.
  void fill_from(const GenerationConfig& other);
  /// A config with the values that hold when nobody sets them, as the reference has them: top_k 50, max_length 20 …
  [[nodiscard]] static GenerationConfig global_defaults();

  /// Throws ValueError listing the fields with impossible values. Fields without effect (temperature without
  /// do_sample …) are named in a warning, or in the error when `strict`. `user_set`: the fields set by hand just now,
  /// when some are known to be inherited from a file: those draw no warning.
  void validate(bool strict = false, const std::optional<std::set<std::string, std::less<>>>& user_set = {}) const;

  /// Every field, or those that differ from the defaults.
  [[nodiscard]] Json to_dict() const;
  [[nodiscard]] Json to_diff_dict() const;
  /// Sorted keys, indent 2, final newline.
  [[nodiscard]] std::string to_json_string(bool use_diff = true) const;
  /// Writes `folder`/`file`, atomically; the folder is created when absent. Throws ValueError when `validate(strict)`
  /// does, unless the config is as it was read.
  void save_pretrained(const std::filesystem::path& folder, std::string_view file = "generation_config.json") const;
  /// Uploads that file; gives the URL of the commit or pull request. See hub/push.h; needs the library `transformers`.
  std::string push_to_hub(const std::string& repo_id, const PushToHubOptions& options) const;
  std::string push_to_hub(const std::string& repo_id) const;

  bool operator==(const GenerationConfig& other) const;
};

}  // namespace transformers
