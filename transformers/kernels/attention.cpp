#include "transformers/kernels/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <limits>

namespace transformers::kernels {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// at::scaled_dot_product_attention aligns its own causal mask with the first key and takes no second mask beside it.
static at::Tensor causal_mask(const at::Tensor& q, int64_t keys, const at::Tensor& mask) {
  const int64_t seq = q.size(2);
  const at::Tensor hidden =
      at::full({seq, keys}, -kInfinity, q.options()).triu(keys - seq + 1);
  if (!mask.defined()) return hidden;
  if (mask.scalar_type() == at::kBool) return hidden.masked_fill(mask.logical_not(), -kInfinity);
  return mask + hidden;
}

static at::Tensor compose(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor mask,
                          bool is_causal, double scale) {
  const int64_t seq = q.size(2), keys = k.size(2);
  const bool is_square = seq == keys && !mask.defined();
  if (is_causal && seq > 1 && !is_square) mask = causal_mask(q, keys, mask);
  const auto bias = mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
  const bool is_grouped = q.size(1) != k.size(1);
  return at::scaled_dot_product_attention(q, k, v, bias, /*dropout_p=*/0.0, is_causal && seq > 1 && is_square, scale,
                                          is_grouped);
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                     bool is_causal, double scale) {
  return compose(q, k, v, mask, is_causal, scale);
}

}  // namespace transformers::kernels
