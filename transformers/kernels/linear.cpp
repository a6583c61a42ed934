#include "transformers/kernels/linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <algorithm>

#include "transformers/kernels/fused.h"

namespace transformers::kernels {

namespace {

// With more rows than this oneDNN's blocks win over streaming the weights; its bfloat16 is the better half.
int64_t most_streamed_rows(const at::Tensor& x) { return x.scalar_type() == at::kFloat ? 8 : 4; }
// Weights that one thread streams while another wakes up.
constexpr int64_t kGrainWeights = 16 * 1024;

std::optional<at::Tensor> optional(const at::Tensor& x) {
  return x.defined() ? std::optional<at::Tensor>(x) : std::nullopt;
}

bool has_shapes_of_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return x.dim() >= 1 && weight.dim() == 2 && x.size(-1) == weight.size(1) && weight.size(1) > 0 &&
         (!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)));
}

at::Tensor stream_weights(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor rows = x.contiguous(), offset = bias.defined() ? bias.contiguous() : bias;
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  at::Tensor y = at::empty(shape, x.options());
  const cpu::LinearArgs args{.element = element_of(x),
                             .x = rows.const_data_ptr(),
                             .weight = weight.const_data_ptr(),
                             .bias = offset.defined() ? offset.const_data_ptr() : nullptr,
                             .y = y.data_ptr(),
                             .rows = x.numel() / x.size(-1),
                             .in = weight.size(1),
                             .out = weight.size(0)};
  const int64_t grain = std::max<int64_t>(1, kGrainWeights / args.in);
  at::parallel_for(0, args.out, grain, [&](int64_t begin, int64_t end) { cpu::linear(args, begin, end); });
  return y;
}

// at::linear gives float32 to MKL, which on processors not Intel's takes two to four times as long as the oneDNN in the
// same libtorch. Its own linear is an op without a C++ name; a libtorch may be built without it.
using PointwiseLinear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                   std::string_view, c10::List<std::optional<at::Scalar>>,
                                   std::optional<std::string_view>);
const c10::TypedOperatorHandle<PointwiseLinear>* onednn_linear() {
  static const auto op = []() -> std::optional<c10::TypedOperatorHandle<PointwiseLinear>> {
    const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!found) return std::nullopt;
    return found->typed<PointwiseLinear>();
  }();
  return op ? &*op : nullptr;
}

at::Tensor dense_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (const auto* op = onednn_linear(); op && x.scalar_type() == at::kFloat)
    return op->call(x, weight, optional(bias), "none", c10::List<std::optional<at::Scalar>>(), "");
  return at::linear(x, weight, optional(bias));
}

// An x86 processor without instructions for bfloat16 takes oneDNN five times as long with it as with float32. The
// weights are widened in blocks that stay in its cache.
constexpr int64_t kWidenedWeights = 512 * 1024;
bool is_better_widened(const at::Tensor& x) {
#if defined(__x86_64__)
  return x.scalar_type() == at::kBFloat16 && !cpu::has_native_bf16();
#else
  return false;
#endif
}

at::Tensor widened_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t in = weight.size(1), out = weight.size(0), block = std::max<int64_t>(1, kWidenedWeights / in);
  const at::Tensor rows = x.reshape({-1, in}).to(at::kFloat);
  auto shape = x.sizes().vec();
  shape.back() = out;
  at::Tensor y = at::empty({rows.size(0), out}, x.options());
  for (int64_t begin = 0; begin < out; begin += block) {
    const int64_t size = std::min(block, out - begin);
    const auto part = [&](const at::Tensor& all) { return all.narrow(0, begin, size).to(at::kFloat); };
    y.narrow(1, begin, size).copy_(dense_linear(rows, part(weight), bias.defined() ? part(bias) : bias));
  }
  return y.view(shape);
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (can_fuse({&x, &weight, &bias}) && has_shapes_of_linear(x, weight, bias) && weight.is_contiguous() &&
      x.numel() > 0) {
    if (x.numel() <= most_streamed_rows(x) * x.size(-1)) return stream_weights(x, weight, bias);
    if (is_better_widened(x)) return widened_linear(x, weight, bias);
    return dense_linear(x.contiguous(), weight, bias);
  }
  return at::linear(x, weight, optional(bias));
}

}  // namespace transformers::kernels
