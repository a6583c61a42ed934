#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "transformers/nn/cache.h"

namespace transformers::nn {

struct CausalMaskOptions {
  int64_t queries = 0;                 // new tokens
  int64_t past = 0;                    // tokens before them
  CacheLayer::Extent keys = {};        // what the cache shows
  std::optional<int64_t> window = {};  // a key is seen while query - key < window
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  bool may_skip = false;  // the attention function masks causally by itself
};

struct CausalMask {
  at::Tensor additive = {};  // (batch or 1, 1, queries, keys): 0 or the lowest finite value
  bool is_causal = false;    // `additive` is undefined and plain causal masking is enough
};

/// The mask of a decoder layer. `attention_mask`: (batch, keys) of ones and zeros over all tokens so far, or undefined,
/// or of 4 dimensions: bool, or additive already.
[[nodiscard]] CausalMask causal_mask(const at::Tensor& attention_mask, const CausalMaskOptions& options);

/// (batch, keys) or (batch, queries, keys) of ones and zeros → additive (batch, 1, 1 or queries, keys). Undefined stays
/// so. 4 dimensions: bool, or additive already. Other ranks: ValueError with the shape.
[[nodiscard]] at::Tensor expand_mask(const at::Tensor& mask, at::ScalarType dtype);

/// True when every element is one, so that the mask can be left out.
[[nodiscard]] bool all_ones(const at::Tensor& mask);

/// The mask of an encoder layer: `expand_mask`, or undefined when it would mask nothing.
[[nodiscard]] at::Tensor bidirectional_mask(const at::Tensor& mask, at::ScalarType dtype);

}  // namespace transformers::nn
