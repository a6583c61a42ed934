#include "transformers/nn/encoder_attention.h"

#include <cmath>
#include <tuple>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::nn {

static int64_t checked_head_size(const EncoderAttention::Options& o) {
  if (o.heads < 1 || o.hidden % o.heads != 0)
    throw ValueError(str("the hidden size ", o.hidden, " is no multiple of the number of attention heads, ", o.heads));
  return o.hidden / o.heads;
}

EncoderAttention::EncoderAttention(const Options& o, int64_t layer)
    : query(child<Linear>("query", {.in = o.hidden, .out = o.hidden})),
      key(child<Linear>("key", {.in = o.hidden, .out = o.hidden})),
      value(child<Linear>("value", {.in = o.hidden, .out = o.hidden})),
      dropout(child<Dropout>("dropout", {.p = o.dropout})),
      head_size_(checked_head_size(o)),
      layer_(layer),
      is_cross_(o.is_cross) {}

std::pair<at::Tensor, at::Tensor> EncoderAttention::keys_values(const at::Tensor& x) const {
  return {split_heads(key(x), head_size_), split_heads(value(x), head_size_)};
}

// The encoder's states are the same for every token to come: they are projected once per cache.
std::pair<at::Tensor, at::Tensor> EncoderAttention::encoder_keys_values(const LayerContext& context) const {
  if (!context.cache) return keys_values(context.encoder_hidden_states);
  auto& cross = context.cache->cross(layer_);
  if (!cross.keys.defined()) std::tie(cross.keys, cross.values) = keys_values(context.encoder_hidden_states);
  return {cross.keys, cross.values};
}

at::Tensor EncoderAttention::forward(const at::Tensor& x, const LayerContext& context) {
  const auto q = split_heads(query(x), head_size_);
  auto [k, v] = is_cross_ ? encoder_keys_values(context) : keys_values(x);
  if (context.cache && !is_cross_) std::tie(k, v) = context.cache->update(layer_, k, v);
  const auto result = context.attend(q, k, v, is_cross_ ? context.encoder_mask : context.mask,
                                     {.scale = 1 / std::sqrt(static_cast<double>(head_size_)),
                                      .dropout = is_training() ? dropout->p : 0.0,
                                      .is_causal = context.is_causal && !is_cross_});
  is_cross_ ? context.record_cross(result) : context.record(result);
  return merge_heads(result.hidden);
}

}  // namespace transformers::nn
