#include "transformers/kernels/cpu/kernels.h"

// foreach_target.h includes this file once more for each instruction set that targets.h leaves.
// clang-format off
#include "transformers/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "transformers/kernels/cpu/gated_activation.cpp"
#include "hwy/foreach_target.h"
#include "transformers/kernels/cpu/simd-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transformers::kernels::cpu::HWY_NAMESPACE {

HWY_INLINE Vec times_sigmoid(Vec x, Vec argument) {
  return hn::Div(x, hn::Add(hn::Set(kFloats, 1.f), exp_of_number(hn::Neg(argument))));
}

struct Silu {
  static HWY_INLINE Vec apply(Vec x) { return times_sigmoid(x, x); }
};

// 0.5·(1 + tanh(u)) is sigmoid(2u), without tanh's cancellation far below zero.
struct GeluTanh {
  static HWY_INLINE Vec apply(Vec x) {
    const Vec cubic = hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(kFloats, 0.044715f), x);
    return times_sigmoid(x, hn::Mul(cubic, hn::Set(kFloats, 1.5957691216057308f)));  // 2·sqrt(2/pi)
  }
};

struct Relu {
  static HWY_INLINE Vec apply(Vec x) {  // NaN is not below zero and stays
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(kFloats)), x);
  }
};

template <class T, class Gate>
void gated(const GatedActivationArgs& args, int64_t begin, int64_t end) {
  const T* gate = static_cast<const T*>(args.gate) + begin;
  const T* up = static_cast<const T*>(args.up) + begin;
  T* y = static_cast<T*>(args.y) + begin;
  for_each_vector<T>(end - begin, [&](int64_t i, auto read, auto write) HWY_ATTR {
    write(hn::Mul(round_to<T>(Gate::apply(read(gate + i))), read(up + i)), y + i);
  });
}

template <class T>
void gated_by_kind(const GatedActivationArgs& args, int64_t begin, int64_t end) {
  switch (args.gate_kind) {
    case Gate::GeluTanh: return gated<T, GeluTanh>(args, begin, end);
    case Gate::Relu: return gated<T, Relu>(args, begin, end);
    case Gate::Silu: return gated<T, Silu>(args, begin, end);
  }
}

void gated_activation(const GatedActivationArgs& args, int64_t begin, int64_t end) {
  if (args.element == Element::F32) return gated_by_kind<float>(args, begin, end);
  gated_by_kind<bf16>(args, begin, end);
}

}  // namespace transformers::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transformers::kernels::cpu {
HWY_EXPORT(gated_activation);
void gated_activation(const GatedActivationArgs& args, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(gated_activation)(args, begin, end);
}
}  // namespace transformers::kernels::cpu
#endif
