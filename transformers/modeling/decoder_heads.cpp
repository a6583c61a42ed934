#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/decoder.h"
#include "transformers/modeling/losses.h"

namespace transformers {

ForCausalLM::ForCausalLM(std::shared_ptr<PretrainedConfig> c, std::shared_ptr<DecoderModel> base)
    : PreTrainedModel(std::move(c)),
      model(register_module("model", base)),
      lm_head(
          child<nn::Linear>("lm_head", {.in = base->options().hidden, .out = base->options().vocab, .bias = false})) {}

ModelOutput ForCausalLM::run(const ModelInputs& in) {
  auto output = model(in);
  auto x = std::exchange(output.last_hidden_state, {});
  if (in.logits_to_keep > 0) x = x.slice(1, -in.logits_to_keep);
  output.logits = lm_head(x);
  if (in.labels.defined()) output.loss = causal_lm_loss(output.logits, in.labels);
  return output;
}

DecoderForSequenceClassification::DecoderForSequenceClassification(std::shared_ptr<PretrainedConfig> c,
                                                                   std::shared_ptr<DecoderModel> base)
    : PreTrainedModel(std::move(c)),
      model(register_module("model", base)),
      score(child<nn::Linear>("score", {.in = base->options().hidden, .out = config->num_labels(), .bias = false})) {}

ModelOutput DecoderForSequenceClassification::run(const ModelInputs& in) {
  auto output = model(in);
  output.logits = last_token_logits(*config, score(std::exchange(output.last_hidden_state, {})), in);
  if (in.labels.defined()) output.loss = sequence_loss(*config, output.logits, in.labels);
  return output;
}

DecoderForTokenClassification::DecoderForTokenClassification(std::shared_ptr<PretrainedConfig> c,
                                                             std::shared_ptr<DecoderModel> base)
    : PreTrainedModel(std::move(c)), model(register_module("model", base)) {
  double p = 0.1;
  for (const auto* key : {"hidden_dropout", "classifier_dropout"})
    if (const auto value = config->get(key); value.is_number()) p = value.as_double();
  dropout = child<nn::Dropout>("dropout", {.p = p});
  score = child<nn::Linear>("score", {.in = base->options().hidden, .out = config->num_labels()});
}

ModelOutput DecoderForTokenClassification::run(const ModelInputs& in) {
  auto output = model(in);
  output.logits = score(dropout(std::exchange(output.last_hidden_state, {})));
  if (in.labels.defined()) output.loss = token_loss(output.logits.to(at::kFloat), in.labels);
  output.past_key_values = nullptr;  // the reference's TokenClassifierOutput has no cache
  return output;
}

DecoderForQuestionAnswering::DecoderForQuestionAnswering(std::shared_ptr<PretrainedConfig> c,
                                                         std::shared_ptr<DecoderModel> base,
                                                         const std::string& base_name)
    : PreTrainedModel(std::move(c)),
      model(register_module(base_name, base)),
      qa_outputs(child<nn::Linear>("qa_outputs", {.in = base->options().hidden, .out = 2})) {}

ModelOutput DecoderForQuestionAnswering::run(const ModelInputs& in) {
  auto body = model(in);
  auto output = span_output(qa_outputs(body.last_hidden_state), in);
  output.hidden_states = std::move(body.hidden_states);
  output.attentions = std::move(body.attentions);
  return output;
}

at::Tensor last_token_logits(const PretrainedConfig& config, const at::Tensor& logits, const ModelInputs& in) {
  const int64_t batch = logits.size(0);
  const auto padding = config.get("pad_token_id");
  if (!padding.is_int() && batch != 1)
    throw ValueError(str("a batch of ", batch,
                         " cannot be classified: the config has no pad_token_id to tell where a "
                         "sequence ends; set it"));
  if (!padding.is_int() || !in.input_ids.defined()) {
    if (padding.is_int())
      logging::warning_once("inputs_embeds do not show padding: the last position of each row is classified");
    return logits.select(1, -1);
  }
  const auto present = in.input_ids.ne(padding.as_int()).to(logits.device()).to(at::kInt);
  const auto last = (at::arange(in.input_ids.size(1), present.options()) * present).argmax(-1);
  return logits.gather(1, last.view({batch, 1, 1}).expand({batch, 1, logits.size(2)})).squeeze(1);
}

ModelOutput span_output(const at::Tensor& logits, const ModelInputs& in) {
  ModelOutput output{.start_logits = logits.select(-1, 0).contiguous(),
                     .end_logits = logits.select(-1, 1).contiguous()};
  if (in.start_positions.defined() && in.end_positions.defined())
    output.loss = span_loss(output.start_logits, output.end_logits, in.start_positions, in.end_positions);
  return output;
}

}  // namespace transformers
