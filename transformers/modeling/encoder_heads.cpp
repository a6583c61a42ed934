#include "transformers/modeling/encoder_heads.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/decoder_heads.h"
#include "transformers/modeling/losses.h"

namespace transformers {

void EncoderWithHead::add_classifier(const Options& o, int64_t labels) {
  dropout = child<nn::Dropout>("dropout", {.p = o.dropout});
  classifier = child<nn::Linear>("classifier", {.in = o.hidden, .out = labels});
}

ModelOutput EncoderWithHead::encode(const ModelInputs& in, ModelOutput& out) const {
  auto encoded = body(in);
  out.hidden_states = std::move(encoded.hidden_states);
  out.attentions = std::move(encoded.attentions);
  return encoded;
}

EncoderForSequenceClassification::EncoderForSequenceClassification(std::shared_ptr<PretrainedConfig> c,
                                                                   const Options& o,
                                                                   std::shared_ptr<PreTrainedModel> encoder)
    : EncoderWithHead(std::move(c), o, std::move(encoder)) {
  add_classifier(o, config->num_labels());
}

ModelOutput EncoderForSequenceClassification::run(const ModelInputs& in) {
  ModelOutput output;
  output.logits = classify(encode(in, output).pooler_output);
  if (in.labels.defined()) output.loss = sequence_loss(*config, output.logits, in.labels);
  return output;
}

EncoderForMultipleChoice::EncoderForMultipleChoice(std::shared_ptr<PretrainedConfig> c, const Options& o,
                                                   std::shared_ptr<PreTrainedModel> encoder)
    : EncoderWithHead(std::move(c), o, std::move(encoder)) {
  add_classifier(o, 1);
}

ModelOutput EncoderForMultipleChoice::run(const ModelInputs& in) {
  const auto& given = in.input_ids.defined() ? in.input_ids : in.inputs_embeds;
  if (!given.defined() || given.dim() != (in.input_ids.defined() ? 3 : 4))
    throw ValueError(
        "multiple choice needs input_ids of shape (batch, choices, tokens), or inputs_embeds of shape "
        "(batch, choices, tokens, hidden)");
  auto flat = in;
  for (auto* tensor :
       {&flat.input_ids, &flat.attention_mask, &flat.token_type_ids, &flat.position_ids, &flat.inputs_embeds})
    if (tensor->defined()) *tensor = tensor->flatten(0, 1);
  ModelOutput output;
  output.logits = classify(encode(flat, output).pooler_output).view({-1, given.size(1)});
  if (in.labels.defined()) output.loss = token_loss(output.logits, in.labels);
  return output;
}

EncoderForTokenClassification::EncoderForTokenClassification(std::shared_ptr<PretrainedConfig> c, const Options& o,
                                                             std::shared_ptr<PreTrainedModel> encoder)
    : EncoderWithHead(std::move(c), o, std::move(encoder)) {
  add_classifier(o, config->num_labels());
}

ModelOutput EncoderForTokenClassification::run(const ModelInputs& in) {
  ModelOutput output;
  output.logits = classify(encode(in, output).last_hidden_state);
  if (in.labels.defined()) output.loss = token_loss(output.logits, in.labels);
  return output;
}

EncoderForQuestionAnswering::EncoderForQuestionAnswering(std::shared_ptr<PretrainedConfig> c, const Options& o,
                                                         std::shared_ptr<PreTrainedModel> encoder)
    : EncoderWithHead(std::move(c), o, std::move(encoder)),
      qa_outputs(child<nn::Linear>("qa_outputs", {.in = o.hidden, .out = config->num_labels()})) {}

ModelOutput EncoderForQuestionAnswering::run(const ModelInputs& in) {
  if (config->num_labels() != 2)
    throw ValueError(str("question answering needs 2 labels, start and end; the config has ", config->num_labels()));
  ModelOutput kept;
  auto output = span_output(qa_outputs(encode(in, kept).last_hidden_state), in);
  output.hidden_states = std::move(kept.hidden_states);
  output.attentions = std::move(kept.attentions);
  return output;
}

}  // namespace transformers
