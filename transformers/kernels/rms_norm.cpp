#include "transformers/kernels/rms_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/rsqrt.h>

#include <algorithm>

#include "transformers/kernels/fused.h"

namespace transformers::kernels {

// Elements that one thread norms while another wakes up.
constexpr int64_t kGrain = 16 * 1024;

static at::Tensor compose(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(wide.pow(2).mean(-1, /*keepdim=*/true) + eps);
  return weight * (wide * scale).to(x.scalar_type());
}

static at::Tensor fuse(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor dense = x.contiguous(), scale = weight.contiguous();
  at::Tensor y = at::empty_like(dense);
  const cpu::RmsNormArgs args{.element = element_of(x),
                              .x = dense.const_data_ptr(),
                              .weight = scale.const_data_ptr(),
                              .y = y.data_ptr(),
                              .size = x.size(-1),
                              .eps = eps};
  at::parallel_for(0, x.numel() / args.size, std::max<int64_t>(1, kGrain / args.size),
                   [&](int64_t begin, int64_t end) { cpu::rms_norm(args, begin, end); });
  return y;
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const bool is_usual = x.dim() > 0 && weight.dim() == 1 && weight.size(0) == x.size(-1) && x.numel() > 0;
  return is_usual && can_fuse({&x, &weight}) ? fuse(x, weight, eps) : compose(x, weight, eps);
}

}  // namespace transformers::kernels
