#pragma once

#include <algorithm>
#include <string_view>

namespace transformers {

/// A field of GenerationConfig whose behaviour is missing in this version. Absent, at its global default or `neutral`
/// (JSON; empty where there is no such value) it asks for nothing; otherwise generate throws NotImplementedError.
struct UnsupportedField {
  std::string_view name = {};
  std::string_view neutral = {};
};

inline constexpr UnsupportedField kUnsupportedFields[] = {
    // Strategy
    {"num_beams"},
    {"use_mtp", "false"},
    {"token_healing", "false"},
    {"guidance_scale", "1.0"},
    {"watermarking_config"},
    // Assisted generation
    {"is_assistant", "false"},
    {"num_assistant_tokens"},
    {"num_assistant_tokens_schedule"},
    {"assistant_confidence_threshold"},
    {"prompt_lookup_num_tokens"},
    {"max_matching_ngram_size"},
    {"assistant_early_exit"},
    {"assistant_lookbehind"},
    {"target_lookbehind"},
    {"assistant_ensemble_weight"},
    {"speculation_type"},
    // Speed
    {"cache_config", "{}"},
    {"compile_config"},
    {"disable_compile", "false"},
    {"continuous_batching_config"},
    {"prefill_chunk_size"},
    // Old
    {"low_memory", "false"},
    {"penalty_alpha", "0.0"},
    {"dola_layers"},
    {"diversity_penalty"},
    {"num_beam_groups"},
    {"constraints"},
    {"force_words_ids"},
};

/// The row of the field called `name`, null when this version does what the field says.
[[nodiscard]] constexpr const UnsupportedField* find_unsupported_field(std::string_view name) {
  const auto* row = std::ranges::find(kUnsupportedFields, name, &UnsupportedField::name);
  return row == std::end(kUnsupportedFields) ? nullptr : row;
}

}  // namespace transformers
