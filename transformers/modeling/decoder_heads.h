#pragma once

#include <memory>

#include "transformers/modeling/heads.h"

namespace transformers {

/// Logits over the vocabulary: `lm_head`.
class ForCausalLM : public ModelWithHead {
 public:
  ForCausalLM(std::shared_ptr<PretrainedConfig> config, const HeadOptions& options,
              std::shared_ptr<PreTrainedModel> model);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Linear> lm_head;
};

/// Classifies a sequence by its last token that is no padding: `score`.
class DecoderForSequenceClassification : public ModelWithHead {
 public:
  DecoderForSequenceClassification(std::shared_ptr<PretrainedConfig> config, const HeadOptions& options,
                                   std::shared_ptr<PreTrainedModel> model);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Linear> score;
};

/// Classifies each token: dropout and `score`.
class DecoderForTokenClassification : public ModelWithHead {
 public:
  DecoderForTokenClassification(std::shared_ptr<PretrainedConfig> config, const HeadOptions& options,
                                std::shared_ptr<PreTrainedModel> model);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Dropout> dropout;
  nn::Ref<nn::Linear> score;
};

/// Start and end of an answer: `qa_outputs`.
class DecoderForQuestionAnswering : public ModelWithHead {
 public:
  DecoderForQuestionAnswering(std::shared_ptr<PretrainedConfig> config, const HeadOptions& options,
                              std::shared_ptr<PreTrainedModel> model);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Linear> qa_outputs;
};

/// The same with the body under `transformer`, whatever the other heads call it.
class TransformerForQuestionAnswering : public DecoderForQuestionAnswering {
 public:
  TransformerForQuestionAnswering(std::shared_ptr<PretrainedConfig> config, HeadOptions options,
                                  std::shared_ptr<PreTrainedModel> model);
};

/// Logits of the last token of each row that is not `config.pad_token_id`; (batch, tokens, labels) → (batch, labels).
[[nodiscard]] at::Tensor last_token_logits(const PretrainedConfig& config, const at::Tensor& logits,
                                           const ModelInputs& inputs);
/// Splits (batch, tokens, 2) into start and end logits and adds the loss when positions are given.
[[nodiscard]] ModelOutput span_output(const at::Tensor& logits, const ModelInputs& inputs);

}  // namespace transformers
