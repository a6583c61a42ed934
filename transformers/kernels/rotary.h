#pragma once

#include <ATen/core/Tensor.h>

namespace transformers::kernels {

/// Rotary position embedding in the half-split convention: x·cos + rotate_half(x)·sin, where rotate_half maps the
/// halves (a, b) of the last dimension to (-b, a).
/// q (batch, heads, seq, head_size), k (batch, kv_heads, seq, head_size); cos and sin (batch or 1, 1, seq, head_size),
/// of the same dtype. q and k may be transposed views of (batch, seq, heads, head_size). The handles are replaced by
/// new tensors: the storage that came in is never written. Each product is rounded to the dtype, as in the reference.
void apply_rotary(at::Tensor& q, at::Tensor& k, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace transformers::kernels
