#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transformers/modeling/encoder_heads.h"
#include "transformers/nn/dense.h"

namespace transformers {

/// BERT (arXiv 1810.04805): an encoder, with `is_decoder` a decoder. Names and defaults: BertConfig of the reference.
struct BertConfig final : PretrainedConfig {
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  std::string hidden_act = "gelu";
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  int64_t max_position_embeddings = 512;
  int64_t type_vocab_size = 2;
  double initializer_range = 0.02;
  double layer_norm_eps = 1e-12;
  std::optional<int64_t> pad_token_id = 0;
  bool use_cache = true;
  std::optional<double> classifier_dropout = {};  // absent: hidden_dropout_prob
  bool is_decoder = false;
  bool add_cross_attention = false;
  std::optional<int64_t> bos_token_id = {};
  Json eos_token_id = {};
  bool tie_word_embeddings = true;
  TRANSFORMERS_CONFIG(BertConfig, "bert", vocab_size, hidden_size, num_hidden_layers, num_attention_heads,
                      intermediate_size, hidden_act, hidden_dropout_prob, attention_probs_dropout_prob,
                      max_position_embeddings, type_vocab_size, initializer_range, layer_norm_eps, pad_token_id,
                      use_cache, classifier_dropout, is_decoder, add_cross_attention, bos_token_id, eos_token_id,
                      tie_word_embeddings)
  [[nodiscard]] std::span<const Constraint> constraints() const override { return kPaddingConstraints; }
};

class BertEmbeddings;
class BertLayer;
class BertHeads;

/// The body: last_hidden_state and, with its pooler, pooler_output.
class BertModel final : public PreTrainedModel {
 public:
  using Config = BertConfig;
  static constexpr PretrainedLoader<BertModel> from_pretrained = {};
  [[nodiscard]] static HeadOptions head_options(const BertConfig& config);
  explicit BertModel(const std::shared_ptr<BertConfig>& config, bool add_pooling_layer = true);
  /// With the constructor's arguments by name.
  [[nodiscard]] static std::shared_ptr<BertModel> make(const std::shared_ptr<BertConfig>& config, Json& arguments);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  void add_masks(nn::LayerContext& context, const at::Tensor& x, const ModelInputs& inputs) const;
  bool is_decoder_;
  nn::Ref<BertEmbeddings> embeddings;
  std::vector<nn::Ref<BertLayer>> layers_;
  nn::Ref<nn::DenseActivation> pooler;  // may be null
};

/// A body and `cls`: logits over the vocabulary, over pairs of sentences, or both.
class BertWithCls : public EncoderWithHead {
 public:
  using Config = BertConfig;
  void _init_weights(torch::nn::Module& module) override;

 protected:
  struct Parts {
    bool pooler = false, predictions = false, seq_relationship = false;
  };
  BertWithCls(const std::shared_ptr<BertConfig>& config, const Parts& parts);
  nn::Ref<BertHeads> cls;
};

/// Masked words and next sentence: prediction_logits and seq_relationship_logits; loss when both labels are given.
struct BertForPreTraining final : BertWithCls {
  static constexpr PretrainedLoader<BertForPreTraining> from_pretrained = {};
  explicit BertForPreTraining(const std::shared_ptr<BertConfig>& config);
  ModelOutput run(const ModelInputs& inputs) override;
};

/// Next-token logits; the config should set `is_decoder`.
struct BertLMHeadModel final : BertWithCls {
  static constexpr PretrainedLoader<BertLMHeadModel> from_pretrained = {};
  explicit BertLMHeadModel(const std::shared_ptr<BertConfig>& config);
  ModelOutput run(const ModelInputs& inputs) override;
};

struct BertForMaskedLM final : BertWithCls {
  static constexpr PretrainedLoader<BertForMaskedLM> from_pretrained = {};
  explicit BertForMaskedLM(const std::shared_ptr<BertConfig>& config);
  ModelOutput run(const ModelInputs& inputs) override;
};

struct BertForNextSentencePrediction final : BertWithCls {
  static constexpr PretrainedLoader<BertForNextSentencePrediction> from_pretrained = {};
  explicit BertForNextSentencePrediction(const std::shared_ptr<BertConfig>& config);
  ModelOutput run(const ModelInputs& inputs) override;
};

using BertForSequenceClassification = WithHead<BertModel, EncoderForSequenceClassification>;
using BertForMultipleChoice = WithHead<BertModel, EncoderForMultipleChoice>;
using BertForTokenClassification = WithHead<BertModel, EncoderForTokenClassification>;
using BertForQuestionAnswering = WithHead<BertModel, EncoderForQuestionAnswering>;

extern const Architecture bert_architecture;

}  // namespace transformers
