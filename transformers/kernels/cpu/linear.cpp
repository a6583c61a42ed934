#include "transformers/kernels/cpu/kernels.h"

// foreach_target.h includes this file once more for each instruction set that targets.h leaves.
// clang-format off
#include "transformers/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "transformers/kernels/cpu/linear.cpp"
#include "hwy/foreach_target.h"
#include "transformers/kernels/cpu/simd-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transformers::kernels::cpu::HWY_NAMESPACE {

/// Products widened to float32.
template <class Element>
struct Widened {
  using T = Element;
  using Operand = Vec;
  static constexpr int64_t kStep = kLanes;
  static HWY_INLINE Operand read(const T* x) { return load(x); }
  static HWY_INLINE Operand read_part(const T* x, int64_t n) { return load_part(x, n); }
  static HWY_INLINE Vec add_product(Operand a, Operand b, Vec sum) { return hn::MulAdd(a, b, sum); }
};

#if HWY_TARGET == HWY_AVX3
/// vdpbf16ps: 32 products, added in pairs. Written as assembly because Highway's AVX3 does not enable the extension.
struct Paired {
  using T = bf16;
  using Operand = __m512i;
  static constexpr int64_t kStep = 2 * kLanes;
  static HWY_INLINE Operand read(const T* x) { return _mm512_loadu_si512(x); }
  static HWY_INLINE Operand read_part(const T* x, int64_t n) {
    return _mm512_maskz_loadu_epi16((uint32_t{1} << n) - 1, x);
  }
  static HWY_INLINE Vec add_product(Operand a, Operand b, Vec sum) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a), "v"(b));
    return sum;
  }
};
#endif

/// sums[c][r] = dot(weight row c, x row r) for kColumns weight rows and kRows rows of x.
template <class Product, int kColumns, int kRows>
HWY_INLINE void dot_tile(const typename Product::T* weight, const typename Product::T* x, int64_t in,
                         float (&sums)[kColumns][kRows]) {
  Vec total[kColumns][kRows];
  for (auto& column : total) {
    for (auto& cell : column) cell = hn::Zero(kFloats);
  }
  const auto step = [&](auto read) HWY_ATTR {
    typename Product::Operand row[kRows];
    for (int r = 0; r < kRows; ++r) row[r] = read(x + r * in);
    for (int c = 0; c < kColumns; ++c) {
      const auto w = read(weight + c * in);
      for (int r = 0; r < kRows; ++r) total[c][r] = Product::add_product(w, row[r], total[c][r]);
    }
  };
  int64_t i = 0;
  for (; i + Product::kStep <= in; i += Product::kStep) {
    step([&](const auto* p) HWY_ATTR { return Product::read(p + i); });
  }
  if (i < in) step([&](const auto* p) HWY_ATTR { return Product::read_part(p + i, in - i); });
  for (int c = 0; c < kColumns; ++c) {
    for (int r = 0; r < kRows; ++r) sums[c][r] = sum_lanes(total[c][r]);
  }
}

template <class Product, int kColumns, int kRows>
HWY_INLINE void columns_by_rows(const LinearArgs& args, int64_t column, int64_t row) {
  using T = typename Product::T;
  float sums[kColumns][kRows];
  dot_tile<Product>(static_cast<const T*>(args.weight) + column * args.in,
                    static_cast<const T*>(args.x) + row * args.in, args.in, sums);
  const T* bias = static_cast<const T*>(args.bias);
  for (int c = 0; c < kColumns; ++c) {
    const float b = bias ? widen(bias[column + c]) : 0.f;
    for (int r = 0; r < kRows; ++r) {
      T* y = static_cast<T*>(args.y) + (row + r) * args.out + column + c;
      store_part(hn::Set(kFloats, sums[c][r] + b), y, 1);
    }
  }
}

template <class Product, int kColumns>
HWY_INLINE void columns_by_all_rows(const LinearArgs& args, int64_t column) {
  int64_t row = 0;
  for (; row + 4 <= args.rows; row += 4) columns_by_rows<Product, kColumns, 4>(args, column, row);
  switch (args.rows - row) {
    case 3: return columns_by_rows<Product, kColumns, 3>(args, column, row);
    case 2: return columns_by_rows<Product, kColumns, 2>(args, column, row);
    case 1: return columns_by_rows<Product, kColumns, 1>(args, column, row);
  }
}

template <class Product>
void linear_columns(const LinearArgs& args, int64_t begin, int64_t end) {
  for (; begin + 4 <= end; begin += 4) columns_by_all_rows<Product, 4>(args, begin);
  for (; begin < end; ++begin) columns_by_all_rows<Product, 1>(args, begin);
}

void linear(const LinearArgs& args, int64_t begin, int64_t end) {
  if (args.element == Element::F32) return linear_columns<Widened<float>>(args, begin, end);
#if HWY_TARGET == HWY_AVX3
  if (has_native_bf16()) return linear_columns<Paired>(args, begin, end);
#endif
  linear_columns<Widened<bf16>>(args, begin, end);
}

}  // namespace transformers::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transformers::kernels::cpu {
HWY_EXPORT(linear);
void linear(const LinearArgs& args, int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(linear)(args, begin, end); }
}  // namespace transformers::kernels::cpu
#endif
