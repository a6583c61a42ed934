#include "transformers/nn/masks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::nn {

static double lowest(at::ScalarType dtype) {
  if (dtype == at::kHalf) return -65504.0;
  if (dtype == at::kBFloat16) return -3.3895313892515355e38;
  if (dtype == at::kDouble) return std::numeric_limits<double>::lowest();
  return std::numeric_limits<float>::lowest();
}

static at::Tensor additive(const at::Tensor& visible, at::ScalarType dtype) {
  return at::zeros(visible.sizes(), visible.options().dtype(dtype)).masked_fill_(visible.logical_not(), lowest(dtype));
}

// A mask of 4 dimensions: true where a key is seen, or what is added to the scores.
static at::Tensor ready_mask(const at::Tensor& mask, at::ScalarType dtype) {
  return mask.scalar_type() == at::kBool ? additive(mask, dtype) : mask.to(dtype);
}

bool all_ones(const at::Tensor& mask) {
  if (mask.is_meta()) return false;
  return mask.to(at::kBool).all().item<bool>();
}

at::Tensor expand_mask(const at::Tensor& mask, at::ScalarType dtype) {
  if (!mask.defined()) return {};
  if (mask.dim() == 4) return ready_mask(mask, dtype);
  if (mask.dim() != 2 && mask.dim() != 3)
    throw ValueError(transformers::str("the attention mask has shape ", mask.sizes(),
                                       ", expected (batch, keys), (batch, queries, keys) "
                                       "or an additive one of 4 dimensions"));
  return additive((mask.dim() == 2 ? mask.unsqueeze(1) : mask).unsqueeze(1).to(at::kBool), dtype);
}

at::Tensor bidirectional_mask(const at::Tensor& mask, at::ScalarType dtype) {
  if (mask.defined() && mask.dim() < 4 && all_ones(mask)) return {};
  return expand_mask(mask, dtype);
}

CausalMask causal_mask(const at::Tensor& attention_mask, const CausalMaskOptions& o) {
  if (attention_mask.defined() && attention_mask.dim() == 4) return {.additive = ready_mask(attention_mask, o.dtype)};
  const bool padded = attention_mask.defined() && !all_ones(attention_mask);
  const bool window_matters = o.window && o.past + o.queries - o.keys.first > *o.window;
  // A static cache shows positions that are not filled yet: they must be masked too.
  const bool unfilled = o.keys.first + o.keys.keys > o.past + o.queries;
  if (!padded && !window_matters && !unfilled) {
    if (o.queries == 1) return {};
    if (o.may_skip) return {.is_causal = true};
  }
  const auto options = at::TensorOptions().dtype(at::kLong).device(o.device);
  const auto query = at::arange(o.past, o.past + o.queries, options).unsqueeze(1);
  const auto key = at::arange(o.keys.first, o.keys.first + o.keys.keys, options).unsqueeze(0);
  auto visible = key.le(query);
  if (o.window) visible = visible.logical_and((query - key).lt(*o.window));
  visible = visible.unsqueeze(0).unsqueeze(0);
  if (padded) {
    if (attention_mask.dim() != 2)
      throw ValueError(
          transformers::str("the attention mask has shape ", attention_mask.sizes(), ", expected (batch, tokens)"));
    auto present = attention_mask.to(at::kBool);
    const int64_t end = std::min(o.keys.first + o.keys.keys, present.size(1));
    if (end < std::min(o.keys.first + o.keys.keys, o.past + o.queries))
      throw ValueError(str("the attention mask covers ", present.size(1), " tokens, the past and the new ones are ",
                           o.past + o.queries));
    present = present.slice(1, o.keys.first, end);
    if (present.size(1) < o.keys.keys) present = at::constant_pad_nd(present, {0, o.keys.keys - present.size(1)}, 0);
    visible = visible.logical_and(present.unsqueeze(1).unsqueeze(1));
  }
  return {.additive = additive(visible, o.dtype)};
}

}  // namespace transformers::nn
