#pragma once

#include <ATen/core/Tensor.h>

namespace transformers::kernels {

/// softmax(scale · q kᵀ + mask) v with grouped heads: (batch, heads, seq, head_size).
/// q (batch, heads, seq, head_size); k and v (batch, kv_heads, keys, head_size), heads a multiple of kv_heads; they may
/// be views into a larger cache. mask: undefined, or additive, or boolean with true for the keys that are seen,
/// broadcastable to (batch, heads, seq, keys).
/// is_causal, alone or on top of the mask: query i sees the keys j ≤ i + (keys − seq), so cached keys are all seen.
/// A row whose keys are all masked by -inf is zero.
[[nodiscard]] at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const at::Tensor& mask, bool is_causal, double scale);

}  // namespace transformers::kernels
