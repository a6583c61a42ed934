#pragma once

#include <memory>
#include <string>

#include "transformers/modeling/model.h"

namespace transformers {

/// What the heads over an encoder share: the body under the architecture's name for it, then the head's own layers.
class EncoderWithHead : public PreTrainedModel {
 public:
  struct Options {
    std::string body_name = {};  // "bert"
    int64_t hidden = 0;
    double dropout = 0.0;  // before the classifier
  };

 protected:
  EncoderWithHead(std::shared_ptr<PretrainedConfig> config, const Options& options,
                  std::shared_ptr<PreTrainedModel> encoder);
  /// Children `dropout` and `classifier`.
  void add_classifier(const Options& options, int64_t labels);
  /// The body's output, and `out`: what of it every head hands on, that is hidden_states and attentions.
  [[nodiscard]] ModelOutput encode(const ModelInputs& inputs, ModelOutput& out) const;
  [[nodiscard]] at::Tensor classify(const at::Tensor& x) const { return classifier(dropout(x)); }

 private:
  nn::Ref<PreTrainedModel> body;
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

 protected:
  ModelOutput run(const ModelInputs& inputs) override;
};

/// Logits (batch, tokens, labels).
class EncoderForTokenClassification : public EncoderWithHead {
 public:
  EncoderForTokenClassification(std::shared_ptr<PretrainedConfig> config, const Options& options,
                                std::shared_ptr<PreTrainedModel> encoder);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;
};

/// Start and end of an answer: `qa_outputs`.
class EncoderForQuestionAnswering : public EncoderWithHead {
 public:
  EncoderForQuestionAnswering(std::shared_ptr<PretrainedConfig> config, const Options& options,
                              std::shared_ptr<PreTrainedModel> encoder);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Linear> qa_outputs;
};

}  // namespace transformers
