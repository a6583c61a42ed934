#include "transformers/kernels/cpu/kernels.h"

// foreach_target.h includes this file once more for each instruction set that targets.h leaves.
// clang-format off
#include "transformers/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "transformers/kernels/cpu/rotary.cpp"
#include "hwy/foreach_target.h"
#include "transformers/kernels/cpu/simd-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transformers::kernels::cpu::HWY_NAMESPACE {

template <class T>
HWY_INLINE void rotate(const T* x, const T* cos, const T* sin, T* y, int64_t half) {
  for_each_vector<T>(half, [&](int64_t i, auto read, auto write) HWY_ATTR {
    const auto product = [&](Vec a, const T* table) HWY_ATTR { return round_to<T>(hn::Mul(a, read(table))); };
    const Vec low = read(x + i), high = read(x + half + i);
    write(hn::Sub(product(low, cos + i), product(high, sin + i)), y + i);
    write(hn::Add(product(high, cos + half + i), product(low, sin + half + i)), y + half + i);
  });
}

template <class T>
void rotary_positions(const RotaryArgs& args, int64_t begin, int64_t end) {
  for (int64_t position = begin; position < end; ++position) {
    const int64_t batch = position / args.seq, t = position % args.seq;
    const int64_t table = batch * args.table_batch + t * args.table_seq;
    const T* x = static_cast<const T*>(args.x) + batch * args.x_batch + t * args.x_seq;
    T* y = static_cast<T*>(args.y) + batch * args.y_batch + t * args.y_seq;
    for (int64_t head = 0; head < args.heads; ++head) {
      rotate(x + head * args.x_head, static_cast<const T*>(args.cos) + table, static_cast<const T*>(args.sin) + table,
             y + head * args.y_head, args.size / 2);
    }
  }
}

void rotary(const RotaryArgs& args, int64_t begin, int64_t end) {
  if (args.element == Element::F32) return rotary_positions<float>(args, begin, end);
  rotary_positions<bf16>(args, begin, end);
}

}  // namespace transformers::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transformers::kernels::cpu {
HWY_EXPORT(rotary);
void rotary(const RotaryArgs& args, int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(rotary)(args, begin, end); }
}  // namespace transformers::kernels::cpu
#endif
