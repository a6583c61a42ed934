#pragma once

#include <optional>
#include <vector>

#include "transformers/generation/generate.h"

namespace transformers::detail {

/// A checked call of generate: everything that is decided before the first token.
struct GenerationPlan {
  GenerationConfig config = {};  // no default is left open
  std::vector<int64_t> eos = {};
  std::optional<int64_t> pad = {};
  bool is_encoder_decoder = false;
  bool use_cache = true;
  int64_t max_length = 0;     // of the sequences, prompt included
  int64_t max_positions = 0;  // what the model was made for
  at::Device device = at::kCPU;
  int64_t seen = 0;                   // prompt tokens that a given cache has seen already
  ModelInputs inputs = {};            // on `device`, one row per sequence; its ids are those of the encoder or unused
  at::Tensor prompt = {};             // (batch, tokens): what the sequences start with
  at::Tensor prompt_mask = {};        // (batch, tokens + past) of the prompt; undefined when nothing is padding
  at::Tensor encoder_input_ids = {};  // (batch, tokens), for processors; may be undefined
};

/// Throws ValueError, TypeError or NotImplementedError for whatever cannot be generated.
[[nodiscard]] GenerationPlan plan_generation(PreTrainedModel& model, const ModelInputs& inputs,
                                             const GenerateOptions& options);

/// The generation config in force: the given one, filled from the model's and the global defaults, then overridden by
/// `kwargs`. `has_max_length`, `has_min_length`: somebody set a length.
struct ResolvedConfig {
  GenerationConfig config = {};
  bool has_max_length = false, has_min_length = false;
};
[[nodiscard]] ResolvedConfig resolve_config(const PreTrainedModel& model, const GenerateOptions& options);

}  // namespace transformers::detail
