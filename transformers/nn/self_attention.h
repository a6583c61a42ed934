#pragma once

#include <optional>

#include "transformers/nn/attention.h"
#include "transformers/nn/layers.h"

namespace transformers::nn {

/// Decoder self-attention with rotary positions: q_proj, k_proj, v_proj, o_proj; grouped when kv_heads < heads.
class SelfAttention final : public Module {
 public:
  struct Options {
    int64_t hidden = 0, heads = 0, kv_heads = 0, head_size = 0;
    bool bias = false;                       // of q_proj, k_proj and v_proj
    bool output_bias = false;                // of o_proj
    std::optional<double> qk_norm_eps = {};  // an RMSNorm over each head of q and k before the rotation
    double dropout = 0.0;
  };
  SelfAttention(const Options& options, int64_t layer);
  /// x: (batch, tokens, hidden) → the same shape.
  at::Tensor forward(const at::Tensor& x, const LayerContext& context);

 private:
  Ref<Linear> q_proj, k_proj, v_proj, o_proj;
  Ref<RMSNorm> q_norm, k_norm;
  Options options_;
  double scale_;
  int64_t layer_;
};

}  // namespace transformers::nn
