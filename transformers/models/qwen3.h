#pragma once

#include "transformers/modeling/decoder.h"

namespace transformers {

/// Qwen3: Llama with normalised queries and keys (arXiv 2505.09388). Reference: Qwen3Config.
struct Qwen3Config final : PretrainedConfig {
  int64_t vocab_size = 151936;
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 22016;
  int64_t num_hidden_layers = 32;
  int64_t num_attention_heads = 32;
  std::optional<int64_t> num_key_value_heads = 32;
  std::optional<int64_t> head_dim = 128;
  std::string hidden_act = "silu";
  int64_t max_position_embeddings = 32768;
  double initializer_range = 0.02;
  double rms_norm_eps = 1e-6;
  bool use_cache = true;
  bool tie_word_embeddings = false;
  Json rope_parameters = {};  // standardised: rope_type, rope_theta and what the type needs
  double attention_dropout = 0.0;
  std::optional<int64_t> pad_token_id = {};
  std::optional<int64_t> bos_token_id = {};
  Json eos_token_id = {};
  bool use_sliding_window = false;
  std::optional<int64_t> sliding_window = 4096;
  int64_t max_window_layers = 28;
  std::vector<std::string> layer_types = {};  // "full_attention" or "sliding_attention" per layer
  bool attention_bias = false;
  TRANSFORMERS_CONFIG(Qwen3Config, "qwen3", vocab_size, hidden_size, intermediate_size, num_hidden_layers,
                      num_attention_heads, num_key_value_heads, head_dim, hidden_act, max_position_embeddings,
                      initializer_range, rms_norm_eps, use_cache, tie_word_embeddings, rope_parameters,
                      attention_dropout, pad_token_id, bos_token_id, eos_token_id, use_sliding_window, sliding_window,
                      max_window_layers, layer_types, attention_bias)
  [[nodiscard]] std::span<const Constraint> constraints() const override { return kPaddingConstraints; }

 protected:
  void finish(std::string_view where) override;
};

class Qwen3Model final : public DecoderModel {
 public:
  using Config = Qwen3Config;
  static constexpr PretrainedLoader<Qwen3Model> from_pretrained = {};
  explicit Qwen3Model(const std::shared_ptr<Qwen3Config>& config);
};

using Qwen3ForCausalLM = WithHead<Qwen3Model, ForCausalLM>;
using Qwen3ForSequenceClassification = WithHead<Qwen3Model, DecoderForSequenceClassification>;
using Qwen3ForTokenClassification = WithHead<Qwen3Model, DecoderForTokenClassification>;
using Qwen3ForQuestionAnswering = WithHead<Qwen3Model, TransformerForQuestionAnswering>;

extern const Architecture qwen3_architecture;

}  // namespace transformers
