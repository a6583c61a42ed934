// Helpers of the vector code, compiled once per instruction set; hence no #pragma once but Highway's toggle.
#if defined(TRANSFORMERS_KERNELS_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFORMERS_KERNELS_SIMD_INL
#undef TRANSFORMERS_KERNELS_SIMD_INL
#else
#define TRANSFORMERS_KERNELS_SIMD_INL
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace transformers::kernels::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using bf16 = hwy::bfloat16_t;
using Floats = hn::ScalableTag<float>;
using Vec = hn::Vec<Floats>;
constexpr Floats kFloats;
constexpr int64_t kLanes = HWY_LANES(float);

HWY_INLINE float widen(float x) { return x; }
HWY_INLINE float widen(bf16 x) { return hwy::F32FromBF16(x); }

HWY_INLINE Vec load(const float* x) { return hn::LoadU(kFloats, x); }
HWY_INLINE Vec load(const bf16* x) { return hn::PromoteTo(kFloats, hn::LoadU(hn::Rebind<bf16, Floats>(), x)); }

// Highway 1.0's DemoteTo truncates; arithmetic of the reference rounds to nearest, ties to even.
HWY_INLINE hn::Vec<hn::RebindToUnsigned<Floats>> bf16_bits(Vec x) {
  const hn::RebindToUnsigned<Floats> d;
  const auto bits = hn::BitCast(d, x);
  const auto tie = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(tie, hn::Set(d, 0x7FFF))));
  return hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(x)), hn::Set(d, 0x7FC0), rounded);
}

/// The value as it would be read back after a store of T.
template <class T>
HWY_INLINE Vec round_to(Vec x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return x;
  } else {
    return hn::BitCast(kFloats, hn::ShiftLeft<16>(bf16_bits(x)));
  }
}

HWY_INLINE void store(Vec x, float* y) { hn::StoreU(x, kFloats, y); }
HWY_INLINE void store(Vec x, bf16* y) {
  const hn::Rebind<int32_t, Floats> wide;
  const hn::Rebind<uint16_t, Floats> narrow;
  hn::StoreU(hn::DemoteTo(narrow, hn::BitCast(wide, bf16_bits(x))), narrow, reinterpret_cast<uint16_t*>(y));
}

/// The first n lanes (n < kLanes), zeros above: for the ends of rows, where a whole vector would overrun.
template <class T>
HWY_INLINE Vec load_part(const T* x, int64_t n) {
  T lanes[kLanes] = {};
  std::memcpy(lanes, x, n * sizeof(T));
  return load(lanes);
}
template <class T>
HWY_INLINE void store_part(Vec x, T* y, int64_t n) {
  T lanes[kLanes];
  store(x, lanes);
  std::memcpy(y, lanes, n * sizeof(T));
}

/// body(offset, load, store) for each vector of n elements, the last one in part.
template <class T, class Body>
HWY_INLINE void for_each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    body(
        i, [](const T* x) HWY_ATTR { return load(x); }, [](Vec x, T* y) HWY_ATTR { store(x, y); });
  }
  if (i == n) return;
  body(
      i, [&](const T* x) HWY_ATTR { return load_part(x, n - i); },
      [&](Vec x, T* y) HWY_ATTR { store_part(x, y, n - i); });
}

HWY_INLINE float sum_lanes(Vec x) { return hn::GetLane(hn::SumOfLanes(kFloats, x)); }

// exp by 2^n · e^r with r in ±ln(2)/2: a polynomial of Cephes' expf, within 2 units in the last place. Infinite above
// 88.73, zero below -104. NaN gives NaN or some number: for who has the NaN elsewhere in the formula.
HWY_INLINE Vec exp_of_number(Vec x) {
  const hn::RebindToSigned<Floats> ints;
  const Vec clamped = hn::Min(hn::Max(x, hn::Set(kFloats, -105.f)), hn::Set(kFloats, 89.f));
  const Vec n = hn::Round(hn::Mul(clamped, hn::Set(kFloats, 1.44269504088896341f)));
  const Vec r =
      hn::NegMulAdd(n, hn::Set(kFloats, -2.12194440e-4f), hn::NegMulAdd(n, hn::Set(kFloats, 0.693359375f), clamped));
  Vec p = hn::Set(kFloats, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(kFloats, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(kFloats, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(kFloats, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(kFloats, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(kFloats, 5.0000001201e-1f));
  p = hn::MulAdd(hn::Mul(r, r), p, hn::Add(r, hn::Set(kFloats, 1.f)));
  // 2^n in two factors: n reaches -151 and 128, where one exponent field no longer holds it.
  const auto whole = hn::ConvertTo(ints, n);
  const auto half = hn::ShiftRight<1>(whole);
  const auto power = [&](auto e)
                         HWY_ATTR { return hn::BitCast(kFloats, hn::ShiftLeft<23>(hn::Add(e, hn::Set(ints, 127)))); };
  return hn::Mul(hn::Mul(p, power(half)), power(hn::Sub(whole, half)));
}

HWY_INLINE Vec exp(Vec x) { return hn::IfThenElse(hn::IsNaN(x), x, exp_of_number(x)); }

}  // namespace transformers::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
