#pragma once

#include "transformers/modeling/decoder.h"

namespace transformers {

/// Llama 1 to 3, text decoder (arXiv 2302.13971). Field names and defaults: LlamaConfig of the reference.
struct LlamaConfig final : PretrainedConfig {
  int64_t vocab_size = 32000;
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 11008;
  int64_t num_hidden_layers = 32;
  int64_t num_attention_heads = 32;
  std::optional<int64_t> num_key_value_heads = {};  // absent: num_attention_heads
  std::optional<int64_t> head_dim = {};             // absent: hidden_size / num_attention_heads
  std::string hidden_act = "silu";
  int64_t max_position_embeddings = 2048;
  double initializer_range = 0.02;
  double rms_norm_eps = 1e-6;
  bool use_cache = true;
  bool tie_word_embeddings = false;
  Json rope_parameters = {};  // standardised: rope_type, rope_theta and what the type needs
  double attention_dropout = 0.0;
  std::optional<int64_t> pad_token_id = {};
  std::optional<int64_t> bos_token_id = 1;
  Json eos_token_id = 2;
  std::optional<int64_t> pretraining_tp = 1;
  bool attention_bias = false;
  bool mlp_bias = false;
  TRANSFORMERS_CONFIG(LlamaConfig, "llama", vocab_size, hidden_size, intermediate_size, num_hidden_layers,
                      num_attention_heads, num_key_value_heads, head_dim, hidden_act, max_position_embeddings,
                      initializer_range, rms_norm_eps, use_cache, tie_word_embeddings, rope_parameters,
                      attention_dropout, pad_token_id, bos_token_id, eos_token_id, pretraining_tp, attention_bias,
                      mlp_bias)
  [[nodiscard]] std::span<const Constraint> constraints() const override;

 protected:
  void finish(std::string_view where) override;
};

class LlamaModel final : public DecoderModel {
 public:
  using Config = LlamaConfig;
  static constexpr PretrainedLoader<LlamaModel> from_pretrained = {};
  explicit LlamaModel(const std::shared_ptr<LlamaConfig>& config);
};

using LlamaForCausalLM = WithHead<LlamaModel, ForCausalLM>;
using LlamaForSequenceClassification = WithHead<LlamaModel, DecoderForSequenceClassification>;
using LlamaForTokenClassification = WithHead<LlamaModel, DecoderForTokenClassification>;
using LlamaForQuestionAnswering = WithHead<LlamaModel, TransformerForQuestionAnswering>;

extern const Architecture llama_architecture;

}  // namespace transformers
