#pragma once

#include <utility>

#include "transformers/nn/attention.h"
#include "transformers/nn/layers.h"

namespace transformers::nn {

/// Multi-head attention of BERT and its kin: query, key, value, and no projection after them. Over its own input, or,
/// when `is_cross`, over the encoder's states of the context.
class EncoderAttention final : public Module {
 public:
  struct Options {
    int64_t hidden = 0, heads = 0;
    double dropout = 0.0;
    bool is_cross = false;
  };
  /// Throws ValueError unless `hidden` is a multiple of `heads`.
  EncoderAttention(const Options& options, int64_t layer);
  /// x: (batch, tokens, hidden) → the same shape.
  at::Tensor forward(const at::Tensor& x, const LayerContext& context);

 private:
  [[nodiscard]] std::pair<at::Tensor, at::Tensor> keys_values(const at::Tensor& x) const;
  [[nodiscard]] std::pair<at::Tensor, at::Tensor> encoder_keys_values(const LayerContext& context) const;
  Ref<Linear> query, key, value;
  Ref<Dropout> dropout;
  int64_t head_size_, layer_;
  bool is_cross_;
};

}  // namespace transformers::nn
