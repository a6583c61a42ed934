#include "transformers/modeling/decoder_heads.h"

#include <ATen/ops/arange.h>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/losses.h"

namespace transformers {

ForCausalLM::ForCausalLM(std::shared_ptr<PretrainedConfig> c, const HeadOptions& o,
                         std::shared_ptr<PreTrainedModel> model)
    : ModelWithHead(std::move(c), o, std::move(model)),
      lm_head(child<nn::Linear>("lm_head", {.in = o.hidden, .out = o.vocab, .bias = false})) {}

ModelOutput ForCausalLM::run(const ModelInputs& in) {
  auto output = body(in);
  auto x = std::exchange(output.last_hidden_state, {});
  if (in.logits_to_keep > 0) x = x.slice(-2, -in.logits_to_keep);
  output.logits = lm_head(x);
  if (in.labels.defined()) output.loss = causal_lm_loss(output.logits, in.labels);
  return output;
}

DecoderForSequenceClassification::DecoderForSequenceClassification(std::shared_ptr<PretrainedConfig> c,
                                                                   const HeadOptions& o,
                                                                   std::shared_ptr<PreTrainedModel> model)
    : ModelWithHead(std::move(c), o, std::move(model)),
      score(child<nn::Linear>("score", {.in = o.hidden, .out = config->num_labels(), .bias = false})) {}

ModelOutput DecoderForSequenceClassification::run(const ModelInputs& in) {
  auto output = body(in);
  output.logits = last_token_logits(*config, score(std::exchange(output.last_hidden_state, {})), in);
  if (in.labels.defined()) output.loss = sequence_loss(*config, output.logits, in.labels);
  return output;
}

DecoderForTokenClassification::DecoderForTokenClassification(std::shared_ptr<PretrainedConfig> c, const HeadOptions& o,
                                                             std::shared_ptr<PreTrainedModel> model)
    : ModelWithHead(std::move(c), o, std::move(model)),
      dropout(child<nn::Dropout>("dropout", {.p = o.dropout})),
      score(child<nn::Linear>("score", {.in = o.hidden, .out = config->num_labels()})) {}

ModelOutput DecoderForTokenClassification::run(const ModelInputs& in) {
  auto output = body(in);
  output.logits = score(dropout(std::exchange(output.last_hidden_state, {})));
  if (in.labels.defined()) output.loss = token_loss(output.logits.to(at::kFloat), in.labels);
  output.past_key_values = nullptr;  // the reference's TokenClassifierOutput has no cache
  return output;
}

DecoderForQuestionAnswering::DecoderForQuestionAnswering(std::shared_ptr<PretrainedConfig> c, const HeadOptions& o,
                                                         std::shared_ptr<PreTrainedModel> model)
    : ModelWithHead(std::move(c), o, std::move(model)),
      qa_outputs(child<nn::Linear>("qa_outputs", {.in = o.hidden, .out = 2})) {}

ModelOutput DecoderForQuestionAnswering::run(const ModelInputs& in) {
  auto encoded = body(in);
  auto output = span_output(qa_outputs(encoded.last_hidden_state), in);
  output.hidden_states = std::move(encoded.hidden_states);
  output.attentions = std::move(encoded.attentions);
  return output;
}

static HeadOptions under_transformer(HeadOptions options) {
  options.body_name = "transformer";
  return options;
}

TransformerForQuestionAnswering::TransformerForQuestionAnswering(std::shared_ptr<PretrainedConfig> c,
                                                                 HeadOptions options,
                                                                 std::shared_ptr<PreTrainedModel> model)
    : DecoderForQuestionAnswering(std::move(c), under_transformer(std::move(options)), std::move(model)) {}

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
