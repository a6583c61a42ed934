#pragma once

#include <memory>

#include "transformers/modeling/heads.h"

namespace transformers {

/// What the heads over an encoder share: a classifier, and what they hand on of the body's output.
class EncoderWithHead : public ModelWithHead {
 public:
  using Options = HeadOptions;

 protected:
  using ModelWithHead::ModelWithHead;
  /// Children `dropout` and `classifier`.
  void add_classifier(const Options& options, int64_t labels);
  /// The body's output, and `out`: what of it every head hands on, that is hidden_states and attentions.
  [[nodiscard]] ModelOutput encode(const ModelInputs& inputs, ModelOutput& out) const;
  [[nodiscard]] at::Tensor classify(const at::Tensor& x) const { return classifier(dropout(x)); }

 private:
  nn::Ref<nn::Dropout> dropout;
  nn::Ref<nn::Linear> classifier;
};

/// Logits (batch, labels) from the body's pooler_output.
class EncoderForSequenceClassification : public EncoderWithHead {
 public:
  EncoderForSequenceClassification(std::shared_ptr<PretrainedConfig> config, const Options& options,
                                   std::shared_ptr<PreTrainedModel> encoder);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;
};

/// Logits (batch, choices) from pooler_output; inputs are (batch, choices, tokens).
class EncoderForMultipleChoice : public EncoderWithHead {
 public:
  EncoderForMultipleChoice(std::shared_ptr<PretrainedConfig> config, const Options& options,
                           std::shared_ptr<PreTrainedModel> encoder);
  [[nodiscard]] bool takes_choices() const override { return true; }

 protected:
  ModelOutput run(const ModelInputs& inputs) override;
};

/// Logits (batch, tokens, labels).
class EncoderForTokenClassification : public EncoderWithHead {
 public:
  static constexpr bool kPools = false;
  EncoderForTokenClassification(std::shared_ptr<PretrainedConfig> config, const Options& options,
                                std::shared_ptr<PreTrainedModel> encoder);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;
};

/// Start and end of an answer: `qa_outputs`.
class EncoderForQuestionAnswering : public EncoderWithHead {
 public:
  static constexpr bool kPools = false;
  EncoderForQuestionAnswering(std::shared_ptr<PretrainedConfig> config, const Options& options,
                              std::shared_ptr<PreTrainedModel> encoder);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Linear> qa_outputs;
};

}  // namespace transformers
