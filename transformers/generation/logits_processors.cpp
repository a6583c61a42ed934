#include "transformers/generation/logits_processors.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/generation/detail/checks.h"
#include "transformers/generation/detail/scores.h"

namespace transformers {

namespace {

using detail::kNever;
using detail::MadeProcessor;

// The ids that a score exists for: a model may have more embeddings than outputs.
at::Tensor ids_below(const std::vector<int64_t>& ids, const at::Tensor& scores, std::string_view field) {
  for (const int64_t id : ids)
    if (id < 0) throw ValueError(transformers::str(field, " holds ", id, ", expected ids of the vocabulary"));
  std::vector<int64_t> known;
  for (const int64_t id : ids)
    if (id < scores.size(1)) known.push_back(id);
  return at::tensor(known, at::kLong).to(scores.device());
}

// Forbids tokens while the sequence has a length in [first, end).
class ForbidTokens final : public LogitsProcessor {
 public:
  ForbidTokens(std::string_view field, std::vector<int64_t> ids, int64_t first, int64_t end)
      : field_(field), ids_(std::move(ids)), first_(first), end_(end) {}
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override {
    if (input_ids.size(1) < first_ || input_ids.size(1) >= end_) return scores;
    if (!index_.defined()) index_ = ids_below(ids_, scores, field_);
    return at::Tensor(scores).index_fill_(1, index_, kNever);
  }

 private:
  std::string_view field_;
  std::vector<int64_t> ids_;
  int64_t first_, end_;
  at::Tensor index_ = {};
};

// Leaves only some tokens when the sequence has `length` tokens.
class ForceTokens final : public LogitsProcessor {
 public:
  ForceTokens(std::string_view field, std::vector<int64_t> ids, int64_t length)
      : field_(field), ids_(std::move(ids)), length_(length) {}
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override {
    if (input_ids.size(1) != length_) return scores;
    const auto index = ids_below(ids_, scores, field_);
    return at::Tensor(scores).fill_(kNever).index_fill_(1, index, 0.0);
  }

 private:
  std::string_view field_;
  std::vector<int64_t> ids_;
  int64_t length_;
};

// Divides the positive scores of the ids by `penalty` and multiplies the negative ones; padding is left out of `ids` by
// an id behind the vocabulary. ids: (batch, tokens).
at::Tensor penalize(const at::Tensor& ids, const at::Tensor& scores, double penalty) {
  const int64_t vocab = scores.size(1);
  const auto index = ids.clamp_max(vocab);
  const auto wide = at::constant_pad_nd(scores, {0, 1});
  const auto score = wide.gather(1, index);
  return at::Tensor(wide)
      .scatter_(1, index, at::where(score.lt(0), score * penalty, score / penalty))
      .narrow(1, 0, vocab);
}

class RepetitionPenalty final : public LogitsProcessor {
 public:
  RepetitionPenalty(double penalty, const at::Tensor& prompt_mask) : penalty_(penalty) {
    if (prompt_mask.defined()) first_ = prompt_mask.ne(0).to(at::kInt).argmax(1, /*keepdim=*/true);
  }
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override {
    if (!first_.defined()) return penalize(input_ids, scores, penalty_);
    const auto position = at::arange(input_ids.size(1), input_ids.options()).unsqueeze(0);
    return penalize(input_ids.masked_fill(position.lt(first_.to(input_ids.device())), scores.size(1)), scores,
                    penalty_);
  }

 private:
  double penalty_;
  at::Tensor first_ = {};  // (batch, 1): the first token that is no padding
};

class EncoderRepetitionPenalty final : public LogitsProcessor {
 public:
  EncoderRepetitionPenalty(double penalty, at::Tensor ids) : penalty_(penalty), ids_(std::move(ids)) {}
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override {
    return penalize(ids_.to(scores.device()), scores, 1 / penalty_);
  }

 private:
  double penalty_;
  at::Tensor ids_;
};

class RemoveInvalidValues final : public LogitsProcessor {
 public:
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override { return at::nan_to_num(scores, 0.0); }
};

class ExponentialDecay final : public LogitsProcessor {
 public:
  ExponentialDecay(int64_t start, double factor, std::vector<int64_t> eos)
      : start_(start), factor_(factor), eos_(std::move(eos)) {}
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override {
    const int64_t over = input_ids.size(1) - start_;
    if (over <= 0) return scores;
    const auto index = ids_below(eos_, scores, "eos_token_id");
    const auto score = scores.index_select(1, index);
    const auto gain = (at::abs(score) * (std::pow(factor_, static_cast<double>(over)) - 1))
                          .masked_fill(score.isfinite().logical_not(), 0.0);
    return at::Tensor(scores).index_copy_(1, index, score + gain);
  }

 private:
  int64_t start_;
  double factor_;
  std::vector<int64_t> eos_;
};

class Normalize final : public LogitsProcessor {
 public:
  at::Tensor operator()(const at::Tensor&, const at::Tensor& scores) override { return at::log_softmax(scores, -1); }
};

MadeProcessor make_encoder_repetition(const ProcessorContext& c) {
  const double penalty = c.config.encoder_repetition_penalty.value_or(1.0);
  if (penalty == 1.0) return nullptr;
  if (c.encoder_input_ids.defined())
    return std::make_shared<EncoderRepetitionPenalty>(detail::checked_number("encoder_repetition_penalty", penalty),
                                                      c.encoder_input_ids);
  logging::warning("encoder_repetition_penalty has no effect without input_ids");
  return nullptr;
}

MadeProcessor make_repetition(const ProcessorContext& c) {
  const double penalty = c.config.repetition_penalty.value_or(1.0);
  if (penalty == 1.0) return nullptr;
  return std::make_shared<RepetitionPenalty>(detail::checked_number("repetition_penalty", penalty), c.prompt_mask);
}

MadeProcessor make_min_length(const ProcessorContext& c) {
  const int64_t least = c.config.min_length.value_or(0);
  if (least <= 0 || c.eos.empty()) return nullptr;
  return std::make_shared<ForbidTokens>("eos_token_id", c.eos, 0, least);
}

MadeProcessor make_min_new_tokens(const ProcessorContext& c) {
  const int64_t least = c.config.min_new_tokens.value_or(0);
  if (least <= 0 || c.eos.empty()) return nullptr;
  return std::make_shared<ForbidTokens>("eos_token_id", c.eos, 0, c.prompt_length + least);
}

MadeProcessor make_forced_bos(const ProcessorContext& c) {
  if (!c.config.forced_bos_token_id) return nullptr;
  return std::make_shared<ForceTokens>("forced_bos_token_id", std::vector{*c.config.forced_bos_token_id}, 1);
}

MadeProcessor make_forced_eos(const ProcessorContext& c) {
  auto ids = token_ids(c.config.forced_eos_token_id, "forced_eos_token_id");
  if (ids.empty()) return nullptr;
  return std::make_shared<ForceTokens>("forced_eos_token_id", std::move(ids), c.max_length - 1);
}

MadeProcessor make_remove_invalid(const ProcessorContext& c) {
  return c.config.remove_invalid_values.value_or(false) ? std::make_shared<RemoveInvalidValues>() : nullptr;
}

MadeProcessor make_exponential_decay(const ProcessorContext& c) {
  const auto& decay = c.config.exponential_decay_length_penalty;
  if (decay.is_null()) return nullptr;
  if (!decay.is_array() || decay.size() != 2 || !decay.as_array()[0].is_int() || !decay.as_array()[1].is_number())
    throw ValueError(str("exponential_decay_length_penalty is ", decay.dump(), ", expected [tokens, factor]"));
  if (c.eos.empty()) throw ValueError("exponential_decay_length_penalty needs an eos_token_id; set one");
  return std::make_shared<ExponentialDecay>(decay.as_array()[0].as_int() + c.prompt_length,
                                            decay.as_array()[1].as_double(), c.eos);
}

constexpr int64_t kAlways = std::numeric_limits<int64_t>::max();

MadeProcessor make_suppress(const ProcessorContext& c) {
  auto ids = token_ids(c.config.suppress_tokens, "suppress_tokens");
  if (ids.empty()) return nullptr;
  return std::make_shared<ForbidTokens>("suppress_tokens", std::move(ids), 0, kAlways);
}

MadeProcessor make_begin_suppress(const ProcessorContext& c) {
  auto ids = token_ids(c.config.begin_suppress_tokens, "begin_suppress_tokens");
  if (ids.empty()) return nullptr;
  // A forced first token comes before the one that is meant.
  const int64_t begin = c.prompt_length + (c.prompt_length <= 1 && c.config.forced_bos_token_id ? 1 : 0);
  return std::make_shared<ForbidTokens>("begin_suppress_tokens", std::move(ids), begin, begin + 1);
}

MadeProcessor make_normalize(const ProcessorContext& c) {
  return c.config.renormalize_logits.value_or(false) ? std::make_shared<Normalize>() : nullptr;
}

using Stage = ProcessorRow::Stage;

constexpr ProcessorRow kProcessors[] = {
    {"sequence_bias", detail::make_sequence_bias},
    {"encoder_repetition_penalty", make_encoder_repetition},
    {"repetition_penalty", make_repetition},
    {"no_repeat_ngram_size", detail::make_no_repeat_ngram},
    {"encoder_no_repeat_ngram_size", detail::make_encoder_no_repeat_ngram},
    {"bad_words_ids", detail::make_bad_words},
    {"min_length", make_min_length},
    {"min_new_tokens", make_min_new_tokens},
    {"forced_bos_token_id", make_forced_bos},
    {"forced_eos_token_id", make_forced_eos},
    {"remove_invalid_values", make_remove_invalid},
    {"exponential_decay_length_penalty", make_exponential_decay},
    {"suppress_tokens", make_suppress},
    {"begin_suppress_tokens", make_begin_suppress},
    {"temperature", detail::make_temperature, Stage::Sampling},
    {"top_h", detail::make_top_h, Stage::Sampling},
    {"top_k", detail::make_top_k, Stage::Sampling},
    {"top_p", detail::make_top_p, Stage::Sampling},
    {"min_p", detail::make_min_p, Stage::Sampling},
    {"typical_p", detail::make_typical_p, Stage::Sampling},
    {"epsilon_cutoff", detail::make_epsilon, Stage::Sampling},
    {"eta_cutoff", detail::make_eta, Stage::Sampling},
    {"renormalize_logits", make_normalize, Stage::Last},
};

}  // namespace

std::span<const ProcessorRow> logits_processors() { return kProcessors; }

LogitsProcessorList make_logits_processors(const ProcessorContext& context, const LogitsProcessorList& custom) {
  LogitsProcessorList made;
  const auto add = [&](Stage stage) {
    for (const auto& row : kProcessors)
      if (row.stage == stage)
        if (auto processor = row.make(context)) made.push_back(std::move(processor));
  };
  add(Stage::Scores);
  for (const auto& processor : custom)
    if (processor) made.push_back(processor);
  if (context.config.do_sample.value_or(false)) add(Stage::Sampling);
  add(Stage::Last);
  return made;
}

}  // namespace transformers
