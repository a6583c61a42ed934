#pragma once

#include <ATen/core/Tensor.h>

namespace transformers::kernels {

/// Root mean square norm over the last dimension: x (..., size), weight (size), result (..., size).
/// Statistics in float32; the normalised value is rounded to the dtype of x before it meets the weight, as in the
/// reference's LlamaRMSNorm, so that bfloat16 results have the same bits up to the order of the sum.
[[nodiscard]] at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace transformers::kernels
