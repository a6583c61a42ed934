#include <cmath>

#include "transformers/kernels/cpu/kernels.h"

// foreach_target.h includes this file once more for each instruction set that targets.h leaves.
// clang-format off
#include "transformers/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "transformers/kernels/cpu/rms_norm.cpp"
#include "hwy/foreach_target.h"
#include "transformers/kernels/cpu/simd-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transformers::kernels::cpu::HWY_NAMESPACE {

template <class T>
HWY_INLINE float mean_of_squares(const T* x, int64_t size) {
  Vec even = hn::Zero(kFloats), odd = even;
  int64_t i = 0;
  for (; i + 2 * kLanes <= size; i += 2 * kLanes) {
    const Vec a = load(x + i), b = load(x + i + kLanes);
    even = hn::MulAdd(a, a, even);
    odd = hn::MulAdd(b, b, odd);
  }
  for_each_vector<T>(size - i, [&](int64_t j, auto read, auto) HWY_ATTR {
    const Vec a = read(x + i + j);
    even = hn::MulAdd(a, a, even);
  });
  return sum_lanes(hn::Add(even, odd)) / static_cast<float>(size);
}

template <class T>
void rms_norm_rows(const RmsNormArgs& args, int64_t begin, int64_t end) {
  const T* weight = static_cast<const T*>(args.weight);
  for (int64_t row = begin; row < end; ++row) {
    const T* x = static_cast<const T*>(args.x) + row * args.size;
    T* y = static_cast<T*>(args.y) + row * args.size;
    const float mean = mean_of_squares(x, args.size);
    const Vec scale = hn::Set(kFloats, 1.f / std::sqrt(mean + static_cast<float>(args.eps)));
    for_each_vector<T>(args.size, [&](int64_t i, auto read, auto write) HWY_ATTR {
      write(hn::Mul(read(weight + i), round_to<T>(hn::Mul(read(x + i), scale))), y + i);
    });
  }
}

void rms_norm(const RmsNormArgs& args, int64_t begin, int64_t end) {
  if (args.element == Element::F32) return rms_norm_rows<float>(args, begin, end);
  rms_norm_rows<bf16>(args, begin, end);
}

}  // namespace transformers::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transformers::kernels::cpu {
HWY_EXPORT(rms_norm);
void rms_norm(const RmsNormArgs& args, int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(rms_norm)(args, begin, end); }
}  // namespace transformers::kernels::cpu
#endif
