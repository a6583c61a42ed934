#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

namespace transformers {

/// The values that a number among the fields of GenerationConfig may have.
struct NumberLimit {
  std::string_view field = {};
  double least = 0, most = 0;
  bool takes_least = true, takes_most = true;
  std::string_view expected = {};  // in words, for errors

  [[nodiscard]] constexpr bool takes(double value) const {
    const bool is_finite = value - value == 0;  // neither infinite nor NaN
    return is_finite && (takes_least ? value >= least : value > least) && (takes_most ? value <= most : value < most);
  }
};

inline constexpr double kMostCount = std::numeric_limits<int32_t>::max();
inline constexpr double kMostNumber = std::numeric_limits<double>::max();

inline constexpr NumberLimit kNumberLimits[] = {
    {"max_length", 1, kMostCount, true, true, "at least 1 token"},
    {"max_new_tokens", 1, kMostCount, true, true, "at least 1 token"},
    {"min_length", 0, kMostCount, true, true, "a number of tokens, or 0 for none"},
    {"min_new_tokens", 0, kMostCount, true, true, "a number of tokens, or 0 for none"},
    {"max_time", 0, kMostNumber, true, true, "a number of seconds"},
    {"num_beams", 1, kMostCount, true, true, "at least 1"},
    {"num_return_sequences", 1, kMostCount, true, true, "at least 1"},
    {"max_cache_len", 1, kMostCount, true, true, "at least 1 token"},
    {"temperature", 0, kMostNumber, false, true,
     "more than 0; for the likeliest token at each step set do_sample to false"},
    {"top_k", 0, kMostCount, true, true, "a number of tokens, or 0 for all"},
    {"top_p", 0, 1, true, true, "a share from 0 to 1"},
    {"min_p", 0, 1, true, true, "a share from 0 to 1"},
    {"top_h", 0, 1, false, true, "a share above 0, at most 1"},
    {"typical_p", 0, 1, false, true, "a share above 0, at most 1"},
    {"epsilon_cutoff", 0, 1, true, false, "a probability from 0 to below 1"},
    {"eta_cutoff", 0, 1, true, false, "a probability from 0 to below 1"},
    {"repetition_penalty", 0, kMostNumber, false, true, "more than 0"},
    {"encoder_repetition_penalty", 0, kMostNumber, false, true, "more than 0"},
    {"length_penalty", -kMostNumber, kMostNumber, true, true, "a number"},
    {"guidance_scale", -kMostNumber, kMostNumber, true, true, "a number"},
    {"no_repeat_ngram_size", 0, kMostCount, true, true, "a number of tokens, or 0 for none"},
    {"encoder_no_repeat_ngram_size", 0, kMostCount, true, true, "a number of tokens, or 0 for none"},
    {"forced_bos_token_id", 0, kMostCount, true, true, "an id of the vocabulary"},
};

/// The limit of the field called `name`, null when any number is taken.
[[nodiscard]] constexpr const NumberLimit* find_number_limit(std::string_view name) {
  const auto* row = std::ranges::find(kNumberLimits, name, &NumberLimit::field);
  return row == std::end(kNumberLimits) ? nullptr : row;
}

}  // namespace transformers
