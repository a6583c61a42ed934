#pragma once

#include "transformers/modeling/decoder_heads.h"
#include "transformers/modeling/encoder_heads.h"
#include "transformers/nn/sequence_summary.h"

namespace transformers {

/// GPT-2 (Radford et al., 2019). Field names and defaults: GPT2Config of the reference.
struct GPT2Config final : PretrainedConfig {
  int64_t vocab_size = 50257;
  int64_t n_positions = 1024;
  int64_t n_embd = 768;
  int64_t n_layer = 12;
  int64_t n_head = 12;
  std::optional<int64_t> n_inner = {};  // absent: 4 n_embd
  std::string activation_function = "gelu_new";
  double resid_pdrop = 0.1;
  double embd_pdrop = 0.1;
  double attn_pdrop = 0.1;
  double layer_norm_epsilon = 1e-5;
  double initializer_range = 0.02;
  std::string summary_type = "cls_index";  // or "last", "first", "mean"
  bool summary_use_proj = true;
  std::optional<std::string> summary_activation = {};
  bool summary_proj_to_labels = true;
  double summary_first_dropout = 0.1;
  bool scale_attn_weights = true;
  bool use_cache = true;
  std::optional<int64_t> bos_token_id = 50256;
  Json eos_token_id = 50256;
  std::optional<int64_t> pad_token_id = {};
  bool scale_attn_by_inverse_layer_idx = false;
  bool reorder_and_upcast_attn = false;
  bool add_cross_attention = false;
  bool tie_word_embeddings = true;
  TRANSFORMERS_CONFIG(GPT2Config, "gpt2", vocab_size, n_positions, n_embd, n_layer, n_head, n_inner,
                      activation_function, resid_pdrop, embd_pdrop, attn_pdrop, layer_norm_epsilon, initializer_range,
                      summary_type, summary_use_proj, summary_activation, summary_proj_to_labels, summary_first_dropout,
                      scale_attn_weights, use_cache, bos_token_id, eos_token_id, pad_token_id,
                      scale_attn_by_inverse_layer_idx, reorder_and_upcast_attn, add_cross_attention,
                      tie_word_embeddings)
  [[nodiscard]] std::span<const Alias> attribute_map() const override;
  [[nodiscard]] std::span<const Constraint> constraints() const override;
};

class GPT2Block;

class GPT2Model final : public PreTrainedModel {
 public:
  using Config = GPT2Config;
  static constexpr PretrainedLoader<GPT2Model> from_pretrained = {};
  explicit GPT2Model(const std::shared_ptr<GPT2Config>& config);
  void _init_weights(torch::nn::Module& module) override;
  [[nodiscard]] bool takes_choices() const override { return true; }
  [[nodiscard]] static HeadOptions head_options(const GPT2Config& config);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  [[nodiscard]] nn::LayerContext make_context(const at::Tensor& x, const ModelInputs& inputs, nn::Cache* cache) const;
  nn::Ref<nn::Embedding> wte, wpe;
  nn::Ref<nn::Dropout> drop;
  std::vector<nn::Ref<GPT2Block>> h;
  nn::Ref<nn::LayerNorm> ln_f;
  bool upcasts_, has_cross_attention_;
};

/// Language modelling and multiple choice at once; input_ids may be (batch, choices, tokens). Sets num_labels to 1.
class GPT2DoubleHeadsModel final : public ModelWithHead {
 public:
  using Config = GPT2Config;
  static constexpr PretrainedLoader<GPT2DoubleHeadsModel> from_pretrained = {};
  explicit GPT2DoubleHeadsModel(const std::shared_ptr<GPT2Config>& config);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<nn::Linear> lm_head;
  nn::Ref<nn::SequenceSummary> multiple_choice_head;
};

using GPT2LMHeadModel = WithHead<GPT2Model, ForCausalLM>;
using GPT2ForSequenceClassification = WithHead<GPT2Model, DecoderForSequenceClassification>;
using GPT2ForTokenClassification = WithHead<GPT2Model, EncoderForTokenClassification>;
using GPT2ForQuestionAnswering = WithHead<GPT2Model, DecoderForQuestionAnswering>;

extern const Architecture gpt2_architecture;

}  // namespace transformers
