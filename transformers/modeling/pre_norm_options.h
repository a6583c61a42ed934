#pragma once

#include "transformers/modeling/decoder.h"

namespace transformers {

/// What every Llama-like config says under the same field names, once its dependent fields are filled; the architecture
/// adds its biases, windows and norms. No projection has a bias and attention is full. `layer_class`: the reference's
/// name of a block.
template <class Config>
[[nodiscard]] PreNormDecoderOptions pre_norm_options(const std::shared_ptr<Config>& config,
                                                     std::string_view layer_class) {
  auto& c = *given<DecoderModel>(config);
  c.resolve();
  return {.model = {.vocab = c.vocab_size,
                    .hidden = c.hidden_size,
                    .layers = c.num_hidden_layers,
                    .norm_eps = c.rms_norm_eps,
                    .padding = c.pad_token_id,
                    .rotary = {.head_size = *c.head_dim,
                               .max_positions = c.max_position_embeddings,
                               .parameters = c.rope_parameters}},
          .layer = {
              .class_name = std::string(layer_class),
              .attention = {.hidden = c.hidden_size,
                            .heads = c.num_attention_heads,
                            .kv_heads = *c.num_key_value_heads,
                            .head_size = *c.head_dim,
                            .dropout = c.attention_dropout},
              .mlp = {.hidden = c.hidden_size, .inner = c.intermediate_size, .activation = c.hidden_act, .bias = false},
              .norm_eps = c.rms_norm_eps}};
}

}  // namespace transformers
