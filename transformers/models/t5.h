#pragma once

#include "transformers/modeling/encoder_heads.h"

namespace transformers {

/// T5, T5 v1.1 and FLAN-T5 (arXiv 1910.10683). Field names and defaults: T5Config of the reference.
struct T5Config final : PretrainedConfig {
  T5Config() { is_encoder_decoder = true; }
  int64_t vocab_size = 32128;
  int64_t d_model = 512;
  int64_t d_kv = 64;
  int64_t d_ff = 2048;
  int64_t num_layers = 6;
  std::optional<int64_t> num_decoder_layers = {};  // absent: num_layers
  int64_t num_heads = 8;
  int64_t relative_attention_num_buckets = 32;
  int64_t relative_attention_max_distance = 128;
  double dropout_rate = 0.1;
  double layer_norm_epsilon = 1e-6;
  double initializer_factor = 1.0;
  std::string feed_forward_proj = "relu";  // an activation, or "gated-" and one
  bool use_cache = true;
  std::optional<int64_t> pad_token_id = 0;
  Json eos_token_id = 1;
  double classifier_dropout = 0.0;
  bool is_decoder = false;
  // Derived from the fields above unless a file says otherwise.
  std::optional<std::string> dense_act_fn = {};
  std::optional<bool> is_gated_act = {};
  std::optional<bool> scale_decoder_outputs = {};  // what tie_word_embeddings was; weights are tied in any case
  bool tie_word_embeddings = true;
  TRANSFORMERS_CONFIG(T5Config, "t5", is_encoder_decoder, vocab_size, d_model, d_kv, d_ff, num_layers,
                      num_decoder_layers, num_heads, relative_attention_num_buckets, relative_attention_max_distance,
                      dropout_rate, layer_norm_epsilon, initializer_factor, feed_forward_proj, use_cache, pad_token_id,
                      eos_token_id, classifier_dropout, is_decoder, dense_act_fn, is_gated_act, scale_decoder_outputs,
                      tie_word_embeddings)
  [[nodiscard]] std::span<const Alias> attribute_map() const override;
  [[nodiscard]] std::span<const Constraint> constraints() const override;

 protected:
  void finish(std::string_view where) override;
};

class T5Stack;

/// What all T5 classes share: initialisation, decoder inputs from labels.
class T5PreTrainedModel : public PreTrainedModel {
 public:
  using Config = T5Config;
  void _init_weights(torch::nn::Module& module) override;

 protected:
  explicit T5PreTrainedModel(const std::shared_ptr<T5Config>& config);
  /// `ids` one position later, behind decoder_start_token_id; -100 becomes padding.
  [[nodiscard]] at::Tensor shift_right(const at::Tensor& ids) const;
  /// `inputs` with decoder inputs made from input_ids where none are given.
  [[nodiscard]] ModelInputs with_decoder_inputs(const ModelInputs& inputs) const;
  std::shared_ptr<T5Config> c_;
};

/// Encoder and decoder over one embedding. Give input_ids, inputs_embeds or encoder_outputs, and decoder_input_ids or
/// decoder_inputs_embeds.
class T5Model : public T5PreTrainedModel {
 public:
  static constexpr PretrainedLoader<T5Model> from_pretrained = {};
  explicit T5Model(const std::shared_ptr<T5Config>& config);

 protected:
  struct Unfinished {};
  T5Model(const std::shared_ptr<T5Config>& config, Unfinished);
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Embedding> shared;
  nn::Ref<T5Stack> encoder, decoder;
};

/// Adds logits over the vocabulary; decoder inputs may come from labels.
class T5ForConditionalGeneration : public T5Model {
 public:
  static constexpr PretrainedLoader<T5ForConditionalGeneration> from_pretrained = {};
  explicit T5ForConditionalGeneration(const std::shared_ptr<T5Config>& config);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Linear> lm_head;
};

/// Start and end of an answer; decoder inputs may come from input_ids.
class T5ForQuestionAnswering : public T5Model {
 public:
  static constexpr PretrainedLoader<T5ForQuestionAnswering> from_pretrained = {};
  explicit T5ForQuestionAnswering(const std::shared_ptr<T5Config>& config);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Linear> qa_outputs;
};

/// The encoder alone. Clears use_cache and is_encoder_decoder of its config.
class T5EncoderModel : public T5PreTrainedModel {
 public:
  static constexpr PretrainedLoader<T5EncoderModel> from_pretrained = {};
  [[nodiscard]] static HeadOptions head_options(const T5Config& config);
  explicit T5EncoderModel(const std::shared_ptr<T5Config>& config);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Embedding> shared;
  nn::Ref<T5Stack> encoder;
};

/// Classifies a sequence by the decoder's state at the last eos_token_id of input_ids.
class T5ForSequenceClassification : public T5PreTrainedModel {
 public:
  static constexpr PretrainedLoader<T5ForSequenceClassification> from_pretrained = {};
  explicit T5ForSequenceClassification(const std::shared_ptr<T5Config>& config);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  struct Head;
  nn::Ref<T5Model> transformer;
  nn::Ref<Head> classification_head;
};

using T5ForTokenClassification = WithHead<T5EncoderModel, EncoderForTokenClassification>;

extern const Architecture t5_architecture;

}  // namespace transformers
