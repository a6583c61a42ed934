#include "transformers/kernels/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

namespace transformers::kernels {

static at::Tensor compose(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const auto halves = x.chunk(2, -1);
  return x * cos + at::cat({-halves[1], halves[0]}, -1) * sin;
}

void apply_rotary(at::Tensor& q, at::Tensor& k, const at::Tensor& cos, const at::Tensor& sin) {
  q = compose(q, cos, sin);
  k = compose(k, cos, sin);
}

}  // namespace transformers::kernels
