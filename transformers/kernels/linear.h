#pragma once

#include <ATen/core/Tensor.h>

namespace transformers::kernels {

/// x (..., in) times the transpose of weight (out, in), plus bias (out) where it is defined: (..., out), dtype of x.
/// The result equals at::linear on any device, dtype and layout; gradients flow. On the CPU without gradients a few
/// rows (decoding) stream the weights once, and many rows in float32 go to oneDNN. Sums are float32, rounded once.
[[nodiscard]] at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

}  // namespace transformers::kernels
