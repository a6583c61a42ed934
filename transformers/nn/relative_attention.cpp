#include "transformers/nn/relative_attention.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/log.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <tuple>

namespace transformers::nn {

RelativeAttention::RelativeAttention(const Options& options, int64_t layer)
    : q(child<Linear>("q", {.in = options.hidden, .out = options.heads * options.head_size, .bias = false})),
      k(child<Linear>("k", {.in = options.hidden, .out = options.heads * options.head_size, .bias = false})),
      v(child<Linear>("v", {.in = options.hidden, .out = options.heads * options.head_size, .bias = false})),
      o(child<Linear>("o", {.in = options.heads * options.head_size, .out = options.hidden, .bias = false})),
      options_(options),
      layer_(layer) {
  if (options.has_bias)
    relative_attention_bias =
        child<Embedding>("relative_attention_bias", {.count = options.buckets, .size = options.heads});
}

at::Tensor RelativeAttention::forward(const at::Tensor& x, const LayerContext& context) {
  return options_.is_cross ? attend_encoder(x, context) : attend_self(x, context);
}

at::Tensor RelativeAttention::attend_self(const at::Tensor& x, const LayerContext& context) {
  const int64_t past = context.cache ? context.cache->length() : 0;
  auto keys = heads(k(x)), values = heads(v(x));
  if (context.cache) std::tie(keys, values) = context.cache->update(layer_, keys, values);
  auto bias = context.position_bias;
  if (relative_attention_bias && !bias.defined()) {
    bias = distance_bias(past, x, keys.size(2));
    if (context.mask.defined()) bias = bias + context.mask;
    if (context.new_position_bias) *context.new_position_bias = bias;
  }
  const auto result = context.attend(heads(q(x)), keys, values, bias, attention_options());
  context.record(result);
  return o(merge_heads(result.hidden));
}

at::Tensor RelativeAttention::attend_encoder(const at::Tensor& x, const LayerContext& context) {
  Cache::Cross uncached;
  auto& cross = context.cache ? context.cache->cross(layer_) : uncached;
  if (!cross.keys.defined())
    cross = {.keys = heads(k(context.encoder_hidden_states)), .values = heads(v(context.encoder_hidden_states))};
  const auto result = context.attend(heads(q(x)), cross.keys, cross.values, context.encoder_mask, attention_options());
  context.record_cross(result);
  return o(merge_heads(result.hidden));
}

// (1, heads, queries, keys); of `x` the number of tokens and the device matter.
at::Tensor RelativeAttention::distance_bias(int64_t past, const at::Tensor& x, int64_t keys) const {
  const auto positions = at::TensorOptions().dtype(at::kLong).device(x.device());
  const auto queries = at::arange(past, past + x.size(1), positions).unsqueeze(1);
  return relative_attention_bias(bucket(at::arange(keys, positions) - queries)).permute({2, 0, 1}).unsqueeze(0);
}

// Half of the buckets are for single distances, the others grow logarithmically up to max_distance; an encoder has both
// for each direction.
at::Tensor RelativeAttention::bucket(const at::Tensor& distance) const {
  const bool both = options_.is_bidirectional;
  const int64_t count = both ? options_.buckets / 2 : options_.buckets, exact = count / 2;
  const auto steps = both ? distance.abs() : distance.clamp_max(0).neg();
  const double range = std::log(static_cast<double>(options_.max_distance) / static_cast<double>(exact));
  const auto far = (at::log(steps.to(at::kFloat) / exact) / range * (count - exact)).to(at::kLong) + exact;
  const auto found = at::where(steps.lt(exact), steps, far.clamp_max(count - 1));
  return both ? found + distance.gt(0).to(at::kLong) * count : found;
}

}  // namespace transformers::nn
