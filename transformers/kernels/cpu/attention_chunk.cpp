#include <algorithm>
#include <limits>

#include "transformers/kernels/cpu/kernels.h"

// foreach_target.h includes this file once more for each instruction set that targets.h leaves.
// clang-format off
#include "transformers/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "transformers/kernels/cpu/attention_chunk.cpp"
#include "hwy/foreach_target.h"
#include "transformers/kernels/cpu/simd-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transformers::kernels::cpu::HWY_NAMESPACE {

constexpr int64_t kBlock = 64;  // keys whose scores are held at a time

// scores[r][j] = scale · dot(q row r, key j)
template <class T, int kRows>
HWY_INLINE void score_keys(const AttentionArgs& args, const T* q, const T* k, int64_t count,
                           float (&scores)[kRows][kBlock]) {
  for (int64_t j = 0; j < count; ++j) {
    const T* key = k + j * args.k_seq;
    Vec sum[kRows];
    for (Vec& s : sum) s = hn::Zero(kFloats);
    for (int64_t d = 0; d < args.size; d += kLanes) {
      const Vec x = load(key + d);
      for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(load(q + r * args.q_head + d), x, sum[r]);
    }
    for (int r = 0; r < kRows; ++r) scores[r][j] = sum_lanes(sum[r]) * args.scale;
  }
}

/// Turns scores into exp(score − max), raising max; returns what the earlier sums must be multiplied by.
HWY_INLINE float exponentiate(float* scores, int64_t count, float& total, float& max) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::fill(scores + count, scores + kBlock, -infinity);
  Vec most = hn::Set(kFloats, max);
  for (int64_t j = 0; j < kBlock; j += kLanes) most = hn::Max(most, load(scores + j));
  const float raised = hn::GetLane(hn::MaxOfLanes(kFloats, most));
  // All masked so far: any finite reference gives zeros, -inf itself would give NaN.
  const float reference = raised == -infinity ? 0.f : raised;
  Vec sum = hn::Zero(kFloats);
  for (int64_t j = 0; j < kBlock; j += kLanes) {
    const Vec p = exp(hn::Sub(load(scores + j), hn::Set(kFloats, reference)));
    store(p, scores + j);
    sum = hn::Add(sum, p);
  }
  const float factor = hn::GetLane(exp(hn::Set(kFloats, max - reference)));
  total = total * factor + sum_lanes(sum);
  max = raised;
  return factor;
}

// out[r][d] = out[r][d] · factor[r] + sum over keys of scores[r][j] · v[j][d]
template <class T, int kRows>
HWY_INLINE void add_values(const AttentionArgs& args, const T* v, int64_t count, const float (&scores)[kRows][kBlock],
                           const float (&factor)[kRows], float* out, int64_t stride) {
  constexpr int kWide = kLanes >= 16 ? 4 : 2;
  int64_t d = 0;
  const auto columns = [&](auto width) HWY_ATTR {
    constexpr int kWidth = decltype(width)::value;
    Vec sum[kRows][kWidth];
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kWidth; ++c) {
        sum[r][c] = hn::Mul(hn::Set(kFloats, factor[r]), load(out + r * stride + d + c * kLanes));
      }
    }
    for (int64_t j = 0; j < count; ++j) {
      Vec x[kWidth];
      for (int c = 0; c < kWidth; ++c) x[c] = load(v + j * args.v_seq + d + c * kLanes);
      for (int r = 0; r < kRows; ++r) {
        const Vec p = hn::Set(kFloats, scores[r][j]);
        for (int c = 0; c < kWidth; ++c) sum[r][c] = hn::MulAdd(p, x[c], sum[r][c]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kWidth; ++c) store(sum[r][c], out + r * stride + d + c * kLanes);
    }
    d += kWidth * kLanes;
  };
  while (d + kWide * kLanes <= args.size) columns(std::integral_constant<int, kWide>());
  while (d < args.size) columns(std::integral_constant<int, 1>());
}

template <class T, int kRows>
void chunk_rows(const AttentionArgs& args, const AttentionChunk& chunk, float* partial, int64_t stride) {
  const int64_t kv_head = chunk.head / args.group();
  const T* q = static_cast<const T*>(args.q) + chunk.batch * args.q_batch + chunk.head * args.q_head;
  const T* k = static_cast<const T*>(args.k) + chunk.batch * args.k_batch + kv_head * args.k_head;
  const T* v = static_cast<const T*>(args.v) + chunk.batch * args.v_batch + kv_head * args.v_head;
  const T* mask = static_cast<const T*>(args.mask);
  for (int r = 0; r < kRows; ++r) {
    std::fill_n(partial + r * stride, args.size + 1, 0.f);
    partial[r * stride + args.size + 1] = -std::numeric_limits<float>::infinity();
  }
  for (int64_t first = chunk.begin; first < chunk.end; first += kBlock) {
    const int64_t count = std::min(kBlock, chunk.end - first);
    alignas(64) float scores[kRows][kBlock];
    float factor[kRows];
    score_keys<T, kRows>(args, q, k + first * args.k_seq, count, scores);
    for (int r = 0; r < kRows; ++r) {
      if (mask) {
        const T* row = mask + chunk.batch * args.mask_batch + (chunk.head + r) * args.mask_head + first * args.mask_key;
        for (int64_t j = 0; j < count; ++j) scores[r][j] += widen(row[j * args.mask_key]);
      }
      float* sums = partial + r * stride + args.size;
      factor[r] = exponentiate(scores[r], count, sums[0], sums[1]);
    }
    add_values<T, kRows>(args, v + first * args.v_seq, count, scores, factor, partial, stride);
  }
}

template <class T>
void chunk_of(const AttentionArgs& args, const AttentionChunk& chunk, float* partial, int64_t stride) {
  switch (chunk.rows) {
    case 1: return chunk_rows<T, 1>(args, chunk, partial, stride);
    case 2: return chunk_rows<T, 2>(args, chunk, partial, stride);
    case 3: return chunk_rows<T, 3>(args, chunk, partial, stride);
    case 4: return chunk_rows<T, 4>(args, chunk, partial, stride);
  }
}

void attention_chunk(const AttentionArgs& args, const AttentionChunk& chunk, float* partial, int64_t stride) {
  if (args.element == Element::F32) return chunk_of<float>(args, chunk, partial, stride);
  chunk_of<bf16>(args, chunk, partial, stride);
}

}  // namespace transformers::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transformers::kernels::cpu {
HWY_EXPORT(attention_chunk);
void attention_chunk(const AttentionArgs& args, const AttentionChunk& chunk, float* partial, int64_t stride) {
  HWY_DYNAMIC_DISPATCH(attention_chunk)(args, chunk, partial, stride);
}
}  // namespace transformers::kernels::cpu
#endif
