#pragma once

#include "transformers/modeling/decoder.h"

namespace transformers {

/// Mistral 7B and its kin: Llama with a sliding window (arXiv 2310.06825). Reference: MistralConfig.
struct MistralConfig final : PretrainedConfig {
  int64_t vocab_size = 32000;
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 14336;
  int64_t num_hidden_layers = 32;
  int64_t num_attention_heads = 32;
  std::optional<int64_t> num_key_value_heads = 8;
  std::optional<int64_t> head_dim = {};  // absent: hidden_size / num_attention_heads
  std::string hidden_act = "silu";
  int64_t max_position_embeddings = 4096 * 32;
  double initializer_range = 0.02;
  double rms_norm_eps = 1e-6;
  bool use_cache = true;
  bool tie_word_embeddings = false;
  Json rope_parameters = {};  // standardised: rope_type, rope_theta and what the type needs
  double attention_dropout = 0.0;
  std::optional<int64_t> pad_token_id = {};
  std::optional<int64_t> bos_token_id = 1;
  Json eos_token_id = 2;
  std::optional<int64_t> sliding_window = 4096;
  TRANSFORMERS_CONFIG(MistralConfig, "mistral", vocab_size, hidden_size, intermediate_size, num_hidden_layers,
                      num_attention_heads, num_key_value_heads, head_dim, hidden_act, max_position_embeddings,
                      initializer_range, rms_norm_eps, use_cache, tie_word_embeddings, rope_parameters,
                      attention_dropout, pad_token_id, bos_token_id, eos_token_id, sliding_window)
  [[nodiscard]] std::span<const Constraint> constraints() const override { return kPaddingConstraints; }

 protected:
  void finish(std::string_view where) override;
};

class MistralModel final : public DecoderModel {
 public:
  using Config = MistralConfig;
  static constexpr PretrainedLoader<MistralModel> from_pretrained = {};
  explicit MistralModel(const std::shared_ptr<MistralConfig>& config);
};

using MistralForCausalLM = WithHead<MistralModel, ForCausalLM>;
using MistralForSequenceClassification = WithHead<MistralModel, DecoderForSequenceClassification>;
using MistralForTokenClassification = WithHead<MistralModel, DecoderForTokenClassification>;
using MistralForQuestionAnswering = WithHead<MistralModel, DecoderForQuestionAnswering>;

extern const Architecture mistral_architecture;

}  // namespace transformers
