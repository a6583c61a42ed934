#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>

#include "transformers/kernels/cpu/kernels.h"

namespace transformers::kernels {

/// True where a fused CPU kernel may read the tensors' memory behind the dispatcher's back: ordinary CPU tensors of
/// one dtype, float32 or bfloat16, with nobody watching (gradients, autocast, vmap, tracing). Undefined ones pass.
[[nodiscard]] bool can_fuse(std::initializer_list<const at::Tensor*> tensors);

/// True where elements of the last dimension lie side by side.
[[nodiscard]] inline bool has_dense_rows(const at::Tensor& x) {
  return x.dim() > 0 && (x.size(-1) <= 1 || x.stride(-1) == 1);
}

[[nodiscard]] inline cpu::Element element_of(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat ? cpu::Element::F32 : cpu::Element::BF16;
}

}  // namespace transformers::kernels
