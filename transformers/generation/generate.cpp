#include "transformers/generation/generate.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/multinomial.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/generation/detail/checks.h"
#include "transformers/generation/detail/plan.h"
#include "transformers/generation/detail/stopping.h"
#include "transformers/generation/logits_processors.h"

namespace transformers {

namespace {

// A (rows, columns) tensor that grows at the right; a step costs no copy of what is there.
class GrowingRows {
 public:
  GrowingRows() = default;
  // The free columns hold `fill`, so that `extend` may leave them as they are.
  GrowingRows(const at::Tensor& start, int64_t most, int64_t fill) : length_(start.size(1)), most_(most), fill_(fill) {
    grow(start, length_ + kRoom);
  }
  [[nodiscard]] at::Tensor view() const { return data_.narrow(1, 0, length_); }
  [[nodiscard]] at::Tensor last() const { return data_.narrow(1, length_ - 1, 1); }
  [[nodiscard]] int64_t length() const { return length_; }
  [[nodiscard]] bool is_defined() const { return data_.defined(); }
  void extend() {
    if (length_ == data_.size(1)) grow(view(), 2 * length_);
    ++length_;
  }

 private:
  static constexpr int64_t kRoom = 256;
  void grow(const at::Tensor& from, int64_t columns) {
    const auto wide =
        at::empty({from.size(0), std::max(std::min(columns, most_), length_ + 1)}, from.options()).fill_(fill_);
    wide.narrow(1, 0, length_).copy_(from);
    data_ = wide;
  }
  at::Tensor data_ = {};
  int64_t length_ = 0, most_ = 0, fill_ = 0;
};

// One run of generate: the loop and what it carries from step to step.
class Generation {
 public:
  Generation(PreTrainedModel& model, detail::GenerationPlan plan, const GenerateOptions& options)
      : model_(model),
        plan_(std::move(plan)),
        streamer_(options.streamer),
        stopping_(plan_, options, plan_.prompt.size(0)),
        ids_(plan_.prompt, plan_.max_length, 0) {
    const auto& c = plan_.config;
    does_sample_ = *c.do_sample;
    const bool returns_all = *c.return_dict_in_generate;
    keeps_scores_ = returns_all && *c.output_scores;
    keeps_logits_ = returns_all && c.output_logits.value_or(false);
    keeps_states_ = returns_all && (c.output_attentions.value_or(false) || c.output_hidden_states.value_or(false));
    processors_ = make_logits_processors({.config = c,
                                          .eos = plan_.eos,
                                          .prompt_length = plan_.prompt.size(1),
                                          .max_length = plan_.max_length,
                                          .prompt_mask = plan_.prompt_mask,
                                          .encoder_input_ids = plan_.encoder_input_ids},
                                         options.logits_processor);
    if (options.seed) {
      generator_ = at::globalContext().defaultGenerator(plan_.device).clone();
      generator_->set_current_seed(*options.seed);
    }
    prepare_first_step();
  }

  GenerateResult run() {
    if (streamer_) streamer_->put(plan_.prompt.cpu());
    for (bool finished = false; !finished;) {
      auto output = model_.forward(step_);
      const auto scores = score(output);
      finished = append(scores);
      keep(output, scores);
      if (!finished) prepare_next_step(output);
    }
    if (streamer_) streamer_->end();
    result_.sequences = ids_.view().clone();
    return std::move(result_);
  }

 private:
  void prepare_first_step() {
    const auto& c = plan_.config;
    step_ = plan_.inputs;
    step_.use_cache = plan_.use_cache;
    step_.output_attentions = *c.return_dict_in_generate && c.output_attentions.value_or(false);
    step_.output_hidden_states = *c.return_dict_in_generate && c.output_hidden_states.value_or(false);
    step_.logits_to_keep = 1;
    if (!plan_.use_cache) step_.past_key_values = nullptr;
    if (plan_.use_cache && c.cache_implementation == "static") {
      const int64_t embeds =
          plan_.inputs.inputs_embeds.defined() && !plan_.is_encoder_decoder ? plan_.inputs.inputs_embeds.size(1) : 0;
      const int64_t length = std::max(plan_.max_length - 1 + embeds, c.max_cache_len.value_or(0));
      check_static_cache(length);
      step_.past_key_values = nn::static_cache(length);
    }
    if (plan_.prompt_mask.defined())
      mask_ = GrowingRows(plan_.prompt_mask, plan_.max_length + plan_.prompt_mask.size(1), 1);
    auto& mask = plan_.is_encoder_decoder ? step_.decoder_attention_mask : step_.attention_mask;
    if (mask_.is_defined()) mask = mask_.view();
    if (plan_.is_encoder_decoder) {
      step_.decoder_input_ids = plan_.prompt;
      return;
    }
    const int64_t first = plan_.seen;
    if (step_.inputs_embeds.defined())
      step_.inputs_embeds = step_.inputs_embeds.slice(1, first);
    else
      step_.input_ids = plan_.prompt.slice(1, first);
    const int64_t queries = step_.inputs_embeds.defined() ? step_.inputs_embeds.size(1) : step_.input_ids.size(1);
    // Padding at the left must not move the positions of the text.
    if (!step_.position_ids.defined() && mask_.is_defined())
      step_.position_ids = (mask_.view().cumsum(1) - 1).masked_fill_(mask_.view().eq(0), 0);
    for (auto* tensor : {&step_.position_ids, &step_.token_type_ids})
      if (tensor->defined() && tensor->size(-1) > queries) *tensor = tensor->slice(-1, tensor->size(-1) - queries);
  }

  void check_static_cache(int64_t length) const {
    const auto rows = static_cast<double>(plan_.prompt.size(0));
    detail::check_memory(plan_.device, "the length of a static cache", length,
                         static_cast<double>(length) * rows * detail::cache_bytes_per_token(model_));
  }

  void prepare_next_step(const ModelOutput& output) {
    const bool is_cached = plan_.use_cache && output.past_key_values;
    step_.past_key_values = is_cached ? output.past_key_values : nullptr;
    const auto ids = is_cached ? ids_.last() : ids_.view();
    if (mask_.is_defined()) mask_.extend();
    if (plan_.is_encoder_decoder) {
      step_.input_ids = step_.inputs_embeds = at::Tensor();
      step_.encoder_outputs = output.encoder_last_hidden_state;
      step_.decoder_input_ids = ids;
      if (mask_.is_defined()) step_.decoder_attention_mask = mask_.view();
      return;
    }
    step_.inputs_embeds = at::Tensor();
    step_.input_ids = ids;
    if (mask_.is_defined()) step_.attention_mask = mask_.view();
    extend(step_.position_ids, 1, is_cached);
    extend(step_.token_type_ids, 0, is_cached);
  }

  // The value of the next token is the last one's plus `more`; a cache needs the next token's alone.
  static void extend(at::Tensor& tensor, int64_t more, bool is_cached) {
    if (!tensor.defined()) return;
    const auto next = tensor.slice(-1, tensor.size(-1) - 1) + more;
    tensor = is_cached ? next : at::cat({tensor, next}, -1);
  }

  // (batch, vocab) scores that the next token is chosen by.
  at::Tensor score(const ModelOutput& output) {
    auto logits = output.logits.select(1, -1);
    if (processors_.empty() && !does_sample_ && !keeps_scores_ && !keeps_logits_) return logits;
    auto scores = logits.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    if (keeps_logits_) result_.logits.push_back(processors_.empty() ? scores : scores.clone());
    if (processors_.empty()) return scores;
    const auto ids = ids_.view();
    for (const auto& processor : processors_) scores = (*processor)(ids, scores);
    return scores;
  }

  // (batch)
  at::Tensor choose(const at::Tensor& scores) {
    if (!does_sample_) {
      auto best = scores.argmax(-1);
      const auto score = scores.gather(-1, best.unsqueeze(-1));
      if (score.isnan().logical_or_(score.eq(-std::numeric_limits<double>::infinity())).any().item<bool>())
        refuse_scores();
      return best;
    }
    const auto probs = at::softmax(scores, -1);
    try {
      return at::multinomial(probs, 1, /*replacement=*/false, generator_).squeeze(1);
    } catch (const c10::Error&) {
      refuse_scores();
    }
  }

  [[noreturn]] void refuse_scores() const {
    throw ValueError(str("generate: the scores of token ", ids_.length(),
                         " are no distribution (NaN, infinite, or every "
                         "token excluded); check the model's weights, its dtype and the processors"));
  }

  // Adds a token to each row; true when every row is done.
  bool append(const at::Tensor& scores) {
    const auto chosen = choose(scores);
    auto next = chosen.cpu().contiguous();
    if (stopping_.any_done() && !plan_.eos.empty()) {
      if (next.is_same(chosen)) next = next.clone();
      auto* ids = next.data_ptr<int64_t>();
      for (int64_t row = 0; row < next.size(0); ++row)
        if (stopping_.is_done(row)) ids[row] = *plan_.pad;
    }
    ids_.extend();
    ids_.last().squeeze(1).copy_(next);
    const bool finished = stopping_.update(ids_.view(), next.const_data_ptr<int64_t>(), scores);
    if (streamer_) streamer_->put(next);
    return finished;
  }

  void keep(ModelOutput& output, const at::Tensor& scores) {
    if (keeps_scores_) result_.scores.push_back(scores);
    if (keeps_states_) {
      auto& attentions = plan_.is_encoder_decoder ? output.decoder_attentions : output.attentions;
      auto& states = plan_.is_encoder_decoder ? output.decoder_hidden_states : output.hidden_states;
      if (!attentions.empty()) result_.attentions.push_back(std::move(attentions));
      if (!states.empty()) result_.hidden_states.push_back(std::move(states));
      if (!output.cross_attentions.empty()) result_.cross_attentions.push_back(std::move(output.cross_attentions));
      if (!output.encoder_attentions.empty()) result_.encoder_attentions = std::move(output.encoder_attentions);
      if (!output.encoder_hidden_states.empty())
        result_.encoder_hidden_states = std::move(output.encoder_hidden_states);
    }
    if (*plan_.config.return_dict_in_generate) result_.past_key_values = output.past_key_values;
  }

  PreTrainedModel& model_;
  detail::GenerationPlan plan_;
  std::shared_ptr<BaseStreamer> streamer_;
  detail::Stopping stopping_;
  GrowingRows ids_, mask_ = {};
  LogitsProcessorList processors_ = {};
  std::optional<at::Generator> generator_ = {};
  ModelInputs step_ = {};
  GenerateResult result_ = {};
  bool does_sample_ = false, keeps_scores_ = false, keeps_logits_ = false, keeps_states_ = false;
};

}  // namespace

GenerateResult PreTrainedModel::generate(const ModelInputs& inputs, const GenerateOptions& options) {
  const at::NoGradGuard no_grad;
  try {
    return Generation(*this, detail::plan_generation(*this, inputs, options), options).run();
  } catch (const c10::Error& error) {
    throw RuntimeError(str(model_class().name, ": generate: ", error.what_without_backtrace()));
  }
}

GenerateResult PreTrainedModel::generate(const ModelInputs& inputs) { return generate(inputs, {}); }

}  // namespace transformers
