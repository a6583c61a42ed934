#include "transformers/nn/self_attention.h"

#include <cmath>
#include <tuple>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/nn/rotary.h"

namespace transformers::nn {

SelfAttention::SelfAttention(const Options& o, int64_t layer)
    : q_proj(child<Linear>("q_proj", {.in = o.hidden, .out = o.heads * o.head_size, .bias = o.bias})),
      k_proj(child<Linear>("k_proj", {.in = o.hidden, .out = o.kv_heads * o.head_size, .bias = o.bias})),
      v_proj(child<Linear>("v_proj", {.in = o.hidden, .out = o.kv_heads * o.head_size, .bias = o.bias})),
      o_proj(child<Linear>("o_proj", {.in = o.heads * o.head_size, .out = o.hidden, .bias = o.output_bias})),
      options_(o),
      scale_(1 / std::sqrt(static_cast<double>(o.head_size))),
      layer_(layer) {
  if (o.kv_heads < 1 || o.heads % o.kv_heads != 0)
    throw ValueError(str("the config has ", o.heads, " attention heads and ", o.kv_heads,
                         " key/value heads; the first must be a multiple of the second"));
  if (!o.qk_norm_eps) return;
  q_norm = child<RMSNorm>("q_norm", {.size = o.head_size, .eps = *o.qk_norm_eps});
  k_norm = child<RMSNorm>("k_norm", {.size = o.head_size, .eps = *o.qk_norm_eps});
}

at::Tensor SelfAttention::forward(const at::Tensor& x, const LayerContext& context) {
  auto q = split_heads(q_proj(x), options_.head_size), k = split_heads(k_proj(x), options_.head_size);
  auto v = split_heads(v_proj(x), options_.head_size);
  if (q_norm) {
    q = q_norm(q);
    k = k_norm(k);
  }
  if (context.cos.defined()) apply_rotary(q, k, context.cos, context.sin);
  if (context.cache) std::tie(k, v) = context.cache->update(layer_, k, v);
  const auto result = context.attend(
      q, k, v, context.mask,
      {.scale = scale_, .dropout = is_training() ? options_.dropout : 0.0, .is_causal = context.is_causal});
  context.record(result);
  return o_proj(merge_heads(result.hidden));
}

}  // namespace transformers::nn
