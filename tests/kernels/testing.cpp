#include "tests/kernels/testing.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/isclose.h>
#include <ATen/ops/randn.h>

namespace transformers::kernels {

at::Tensor random(at::IntArrayRef shape, at::ScalarType dtype, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions().dtype(at::kFloat)).to(dtype);
}

testing::AssertionResult is_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
  if (actual.sizes() != expected.sizes() || actual.scalar_type() != expected.scalar_type()) {
    return testing::AssertionFailure() << "shape or dtype: " << actual.sizes() << " " << actual.scalar_type()
                                       << ", expected " << expected.sizes() << " " << expected.scalar_type();
  }
  const at::Tensor a = actual.to(at::kFloat).flatten(), b = expected.to(at::kFloat).flatten();
  const at::Tensor wrong = at::isclose(a, b, tolerance, tolerance, /*equal_nan=*/true).logical_not().nonzero();
  if (wrong.numel() == 0) return testing::AssertionSuccess();
  const int64_t index = wrong[0].item<int64_t>();
  return testing::AssertionFailure() << wrong.numel() << " of " << a.numel() << " differ, first at flat index " << index
                                     << ": " << a[index].item<float>() << ", expected " << b[index].item<float>();
}

void with_each_instruction_set(const std::function<void()>& body) {
  const std::string_view before = active_instruction_set();
  for (const std::string_view name : instruction_sets()) {
    SCOPED_TRACE(name);
    use_instruction_set(name);
    body();
  }
  use_instruction_set(before);
}

}  // namespace transformers::kernels
