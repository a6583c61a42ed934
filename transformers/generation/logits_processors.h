#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "transformers/generation/generate.h"

namespace transformers {

/// What the config's processors are made from.
struct ProcessorContext {
  const GenerationConfig& config;
  std::vector<int64_t> eos = {};      // ids that end a sequence
  int64_t prompt_length = 0;          // tokens that `input_ids` starts with
  int64_t max_length = 0;             // tokens when generation stops, prompt included
  at::Tensor prompt_mask = {};        // (batch, prompt): 0 for padding; undefined when there is none
  at::Tensor encoder_input_ids = {};  // (batch, tokens): what the encoder read, or the prompt; may be undefined
  int64_t min_tokens_to_keep = 1;     // by processors that remove tokens
};

using LogitsProcessorList = std::vector<std::shared_ptr<LogitsProcessor>>;

/// One kind of processor. `make` returns null when the config does not ask for it; throws ValueError for a value that
/// makes no sense.
struct ProcessorRow {
  enum class Stage { Scores, Sampling, Last };  // Sampling: only with do_sample
  std::string_view field = {};                  // the GenerationConfig field that asks for it
  std::shared_ptr<LogitsProcessor> (*make)(const ProcessorContext&) = nullptr;
  Stage stage = Stage::Scores;
};

/// Every kind, in the order in which they run: that of the reference.
[[nodiscard]] std::span<const ProcessorRow> logits_processors();

/// The processors that the config asks for; `custom` run after those of Stage::Scores.
[[nodiscard]] LogitsProcessorList make_logits_processors(const ProcessorContext& context,
                                                         const LogitsProcessorList& custom = {});

namespace detail {
// Implemented in logits_processors.cpp, ngram_processors.cpp and logits_warpers.cpp.
using MadeProcessor = std::shared_ptr<LogitsProcessor>;
MadeProcessor make_sequence_bias(const ProcessorContext&);
MadeProcessor make_bad_words(const ProcessorContext&);
MadeProcessor make_no_repeat_ngram(const ProcessorContext&);
MadeProcessor make_encoder_no_repeat_ngram(const ProcessorContext&);
MadeProcessor make_temperature(const ProcessorContext&);
MadeProcessor make_top_h(const ProcessorContext&);
MadeProcessor make_top_k(const ProcessorContext&);
MadeProcessor make_top_p(const ProcessorContext&);
MadeProcessor make_min_p(const ProcessorContext&);
MadeProcessor make_typical_p(const ProcessorContext&);
MadeProcessor make_epsilon(const ProcessorContext&);
MadeProcessor make_eta(const ProcessorContext&);
}  // namespace detail

}  // namespace transformers
