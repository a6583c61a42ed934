#include "transformers/kernels/rotary.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

#include "transformers/kernels/fused.h"

namespace transformers::kernels {

// Elements that one thread rotates while another wakes up.
constexpr int64_t kGrain = 16 * 1024;

static at::Tensor compose(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = x.size(-1) / 2;
  const at::Tensor low = x.narrow(-1, 0, half), high = x.narrow(-1, half, x.size(-1) - half);
  return x * cos + at::cat({-high, low}, -1) * sin;
}

static bool is_table_for(const at::Tensor& table, const at::Tensor& x) {
  return table.dim() == 4 && (table.size(0) == 1 || table.size(0) == x.size(0)) && table.size(1) == 1 &&
         table.size(2) == x.size(2) && table.size(3) == x.size(3) && has_dense_rows(table);
}

static bool is_usual(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return can_fuse({&x, &cos, &sin}) && x.dim() == 4 && x.size(3) % 2 == 0 && x.numel() > 0 && has_dense_rows(x) &&
         is_table_for(cos, x) && is_table_for(sin, x) && cos.sizes() == sin.sizes() && cos.strides() == sin.strides();
}

static at::Tensor fuse(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  at::Tensor y = at::empty_like(x);  // keeps a (batch, seq, heads, size) order of memory
  const cpu::RotaryArgs args{.element = element_of(x),
                             .x = x.const_data_ptr(),
                             .y = y.data_ptr(),
                             .cos = cos.const_data_ptr(),
                             .sin = sin.const_data_ptr(),
                             .heads = x.size(1),
                             .seq = x.size(2),
                             .size = x.size(3),
                             .x_batch = x.stride(0),
                             .x_head = x.stride(1),
                             .x_seq = x.stride(2),
                             .y_batch = y.stride(0),
                             .y_head = y.stride(1),
                             .y_seq = y.stride(2),
                             .table_batch = cos.size(0) == 1 ? 0 : cos.stride(0),
                             .table_seq = cos.stride(2)};
  at::parallel_for(0, x.size(0) * args.seq, std::max<int64_t>(1, kGrain / (args.heads * args.size)),
                   [&](int64_t begin, int64_t end) { cpu::rotary(args, begin, end); });
  return y;
}

void apply_rotary(at::Tensor& q, at::Tensor& k, const at::Tensor& cos, const at::Tensor& sin) {
  for (at::Tensor* x : {&q, &k}) *x = is_usual(*x, cos, sin) ? fuse(*x, cos, sin) : compose(*x, cos, sin);
}

}  // namespace transformers::kernels
