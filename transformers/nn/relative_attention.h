#pragma once

#include "transformers/nn/attention.h"
#include "transformers/nn/layers.h"

namespace transformers::nn {

/// Attention of T5 and its kin (arXiv 1910.10683): q, k, v, o without bias, scores that are not scaled. In place of
/// positions the first layer of a stack adds a learned bias by distance, which the other layers reuse.
class RelativeAttention final : public Module {
 public:
  struct Options {
    int64_t hidden = 0, heads = 0, head_size = 0;
    int64_t buckets = 32, max_distance = 128;  // distances share buckets; from max_distance on, all share one
    double dropout = 0.0;
    bool has_bias = false;         // the first layer of a stack
    bool is_bidirectional = true;  // an encoder: later tokens have buckets too
    bool is_cross = false;         // over the encoder's states of the context, without a bias
  };
  RelativeAttention(const Options& options, int64_t layer);
  /// x: (batch, tokens, hidden) → the same shape. With `has_bias` and no position_bias in the context, leaves bias plus
  /// mask in its new_position_bias.
  at::Tensor forward(const at::Tensor& x, const LayerContext& context);

 private:
  at::Tensor attend_self(const at::Tensor& x, const LayerContext& context);
  at::Tensor attend_encoder(const at::Tensor& x, const LayerContext& context);
  at::Tensor distance_bias(int64_t past, const at::Tensor& x, int64_t keys) const;
  [[nodiscard]] at::Tensor bucket(const at::Tensor& distance) const;
  [[nodiscard]] at::Tensor heads(const at::Tensor& x) const { return split_heads(x, options_.head_size); }
  [[nodiscard]] AttentionOptions attention_options() const {
    return {.dropout = is_training() ? options_.dropout : 0.0};
  }

  Ref<Linear> q, k, v, o;
  Ref<Embedding> relative_attention_bias;
  Options options_;
  int64_t layer_;
};

}  // namespace transformers::nn
