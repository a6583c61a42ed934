#include <algorithm>
#include <limits>

#include "transformers/kernels/cpu/kernels.h"

// foreach_target.h includes this file once more for each instruction set that targets.h leaves.
// clang-format off
#include "transformers/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "transformers/kernels/cpu/attention_tile.cpp"
#include "hwy/foreach_target.h"
#include "transformers/kernels/cpu/simd-inl.h"
// clang-format on

// Everything is held transposed, query rows along the lanes: then k and v are read as they lie, one element broadcast
// at a time, and the softmax of a row never leaves its lane. Online softmax: Milakov and Gimelshein, 2018.
HWY_BEFORE_NAMESPACE();
namespace transformers::kernels::cpu::HWY_NAMESPACE {

constexpr int kWidth = 2;                     // vectors of query rows in the registers
constexpr int kDepth = kLanes >= 16 ? 8 : 4;  // times as many keys or columns

/// c[m][row] = c[m][row] · factor[row] + sum over n of a[m · m_stride + n · n_stride] · b[n][row]; c starts at zero
/// without factor. Rows of b and c are kTileRows apart.
struct Product {
  const float* a = nullptr;
  int64_t m_stride = 0, n_stride = 0;
  const float* b = nullptr;
  const float* factor = nullptr;
  float* c = nullptr;
  int64_t n = 0;
};

template <int kCount>
HWY_INLINE void multiply_columns(const Product& p, int64_t m, int64_t row) {
  Vec sum[kCount][kWidth];
  for (int i = 0; i < kCount; ++i) {
    for (int w = 0; w < kWidth; ++w) {
      const int64_t lane = row + w * kLanes;
      sum[i][w] = p.factor ? hn::Mul(load(p.factor + lane), load(p.c + (m + i) * kTileRows + lane)) : hn::Zero(kFloats);
    }
  }
  const float* a = p.a + m * p.m_stride;
  for (int64_t n = 0; n < p.n; ++n) {
    Vec x[kWidth];
    for (int w = 0; w < kWidth; ++w) x[w] = load(p.b + n * kTileRows + row + w * kLanes);
    for (int i = 0; i < kCount; ++i) {
      const Vec y = hn::Set(kFloats, a[i * p.m_stride + n * p.n_stride]);
      for (int w = 0; w < kWidth; ++w) sum[i][w] = hn::MulAdd(y, x[w], sum[i][w]);
    }
  }
  for (int i = 0; i < kCount; ++i) {
    for (int w = 0; w < kWidth; ++w) store(sum[i][w], p.c + (m + i) * kTileRows + row + w * kLanes);
  }
}

HWY_INLINE void multiply(const Product& p, int64_t count, int64_t rows) {
  for (int64_t row = 0; row < rows; row += kWidth * kLanes) {
    int64_t m = 0;
    for (; m + kDepth <= count; m += kDepth) multiply_columns<kDepth>(p, m, row);
    for (; m < count; ++m) multiply_columns<1>(p, m, row);
  }
}

/// One tile's place in the tensors and its scratch memory.
template <class T>
struct Tile {
  const AttentionArgs& args;
  int64_t batch, kv_head, first, rows;
  float* q;       // (size, kTileRows)
  float* y;       // (size, kTileRows)
  float* scores;  // (kTileKeys, kTileRows)
  float* wide;    // (kTileKeys, size): keys, then values, of a bfloat16 block
  float* max;     // (kTileRows), as the next four
  float* total;
  float* factor;
  float* limit;   // how many keys a row may see
  float* offset;  // the mask of a block, where it is the same for all of a row's keys

  // Rows are ordered by position, then head, so that a tile's rows see much the same keys.
  int64_t head(int64_t row) const { return kv_head * args.group() + (first + row) % args.group(); }
  int64_t position(int64_t row) const { return (first + row) / args.group(); }
};

template <class T>
HWY_INLINE void start(const Tile<T>& t) {
  const AttentionArgs& args = t.args;
  for (int64_t row = 0; row < kTileRows; ++row) {
    const int64_t r = std::min(row, t.rows - 1);  // the rest of the lanes repeat the last row
    const T* q =
        static_cast<const T*>(args.q) + t.batch * args.q_batch + t.head(r) * args.q_head + t.position(r) * args.q_seq;
    for (int64_t d = 0; d < args.size; ++d) t.q[d * kTileRows + row] = widen(q[d]) * args.scale;
    t.limit[row] = static_cast<float>(args.is_causal ? t.position(r) + 1 + args.keys - args.seq : args.keys);
    t.max[row] = -std::numeric_limits<float>::infinity();
    t.total[row] = 0;
    t.offset[row] = 0;
  }
  std::fill_n(t.y, args.size * kTileRows, 0.f);
}

/// Rows [first, first + count) of k or v as float32, and the distance between them.
struct Block {
  const float* data;
  int64_t stride;
};
HWY_INLINE Block widen_block(const float* x, int64_t stride, int64_t, int64_t, float*) { return {x, stride}; }
HWY_INLINE Block widen_block(const bf16* x, int64_t stride, int64_t count, int64_t size, float* wide) {
  for (int64_t j = 0; j < count; ++j) {
    const bf16* from = x + j * stride;
    float* to = wide + j * size;
    int64_t d = 0;
    for (; d + kLanes <= size; d += kLanes) store(load(from + d), to + d);
    for (; d < size; ++d) to[d] = widen(from[d]);
  }
  return {wide, size};
}

template <class T>
HWY_INLINE bool is_constant(const T* x, int64_t count) {
  const Vec first = hn::Set(kFloats, widen(*x));
  for (int64_t i = 0; i < count; i += kLanes) {
    if (!hn::AllTrue(kFloats, hn::Eq(load(x + i), first))) return false;
  }
  return true;
}

// Most blocks of a causal or padding mask are all seen or all hidden; only the others are worth adding one by one.
template <class T>
HWY_INLINE void add_mask(const Tile<T>& t, int64_t key, int64_t count) {
  const AttentionArgs& args = t.args;
  if (!args.mask) return;
  for (int64_t row = 0; row < t.rows; ++row) {
    const T* mask = static_cast<const T*>(args.mask) + t.batch * args.mask_batch + t.head(row) * args.mask_head +
                    t.position(row) * args.mask_seq + key * args.mask_key;
    const bool is_same = args.mask_key == 0 || (args.mask_key == 1 && count == kTileKeys && is_constant(mask, count));
    t.offset[row] = is_same ? widen(*mask) : 0.f;
    for (int64_t j = 0; j < (is_same ? 0 : count); ++j) t.scores[j * kTileRows + row] += widen(mask[j * args.mask_key]);
  }
}

/// Scores of keys [key, key + count) become exp(score − max); max, total and factor follow.
template <class T>
HWY_INLINE void exponentiate(const Tile<T>& t, int64_t key, int64_t count) {
  const Vec low = hn::Set(kFloats, -std::numeric_limits<float>::infinity());
  for (int64_t lane = 0; lane < t.rows; lane += kLanes) {
    const Vec limit = load(t.limit + lane), offset = load(t.offset + lane), before = load(t.max + lane);
    Vec most = before;
    for (int64_t j = 0; j < count; ++j) {
      float* cell = t.scores + j * kTileRows + lane;
      const auto is_hidden = hn::Ge(hn::Set(kFloats, static_cast<float>(key + j)), limit);
      const Vec score = hn::IfThenElse(is_hidden, low, hn::Add(load(cell), offset));
      store(score, cell);
      most = hn::Max(most, score);
    }
    // All masked so far: any finite reference gives zeros, -inf itself would give NaN.
    const Vec reference = hn::IfThenZeroElse(hn::Eq(most, low), most);
    Vec sum = hn::Zero(kFloats);
    for (int64_t j = 0; j < count; ++j) {
      float* cell = t.scores + j * kTileRows + lane;
      const Vec p = exp(hn::Sub(load(cell), reference));
      store(p, cell);
      sum = hn::Add(sum, p);
    }
    const Vec factor = exp(hn::Sub(before, reference));
    store(factor, t.factor + lane);
    store(hn::MulAdd(load(t.total + lane), factor, sum), t.total + lane);
    store(most, t.max + lane);
  }
}

template <class T>
HWY_INLINE void add_keys(const Tile<T>& t, const T* k, const T* v, int64_t key, int64_t count) {
  const AttentionArgs& args = t.args;
  const Block keys = widen_block(k + key * args.k_seq, args.k_seq, count, args.size, t.wide);
  multiply({.a = keys.data, .m_stride = keys.stride, .n_stride = 1, .b = t.q, .c = t.scores, .n = args.size}, count,
           t.rows);
  add_mask(t, key, count);
  exponentiate(t, key, count);
  const Block values = widen_block(v + key * args.v_seq, args.v_seq, count, args.size, t.wide);
  multiply({.a = values.data,
            .m_stride = 1,
            .n_stride = values.stride,
            .b = t.scores,
            .factor = t.factor,
            .c = t.y,
            .n = count},
           args.size, t.rows);
}

template <class T>
HWY_INLINE void finish(const Tile<T>& t) {
  const AttentionArgs& args = t.args;
  for (int64_t row = 0; row < t.rows; ++row) {
    T* y = static_cast<T*>(args.y) + t.batch * args.y_batch + t.head(row) * args.y_head + t.position(row) * args.y_seq;
    const float scale = t.total[row] == 0 ? 0.f : 1 / t.total[row];
    for (int64_t d = 0; d < args.size; ++d) {
      store_part(hn::Set(kFloats, t.y[d * kTileRows + row] * scale), y + d, 1);
    }
  }
}

template <class T>
void tile_rows(const AttentionArgs& args, int64_t batch, int64_t kv_head, int64_t tile, float* scratch) {
  const auto take = [&](int64_t floats) {
    float* taken = scratch;
    scratch += floats;
    return taken;
  };
  const int64_t first = tile * kTileRows;
  const Tile<T> t{.args = args,
                  .batch = batch,
                  .kv_head = kv_head,
                  .first = first,
                  .rows = std::min(kTileRows, args.group() * args.seq - first),
                  .q = take(args.size * kTileRows),
                  .y = take(args.size * kTileRows),
                  .scores = take(kTileKeys * kTileRows),
                  .wide = take(kTileKeys * args.size),
                  .max = take(kTileRows),
                  .total = take(kTileRows),
                  .factor = take(kTileRows),
                  .limit = take(kTileRows),
                  .offset = take(kTileRows)};
  start(t);
  const T* k = static_cast<const T*>(args.k) + batch * args.k_batch + kv_head * args.k_head;
  const T* v = static_cast<const T*>(args.v) + batch * args.v_batch + kv_head * args.v_head;
  const int64_t keys = std::min(args.keys, static_cast<int64_t>(t.limit[t.rows - 1]));
  for (int64_t key = 0; key < keys; key += kTileKeys) add_keys(t, k, v, key, std::min(kTileKeys, keys - key));
  finish(t);
}

void attention_tile(const AttentionArgs& args, int64_t batch, int64_t kv_head, int64_t tile, float* scratch) {
  if (args.element == Element::F32) return tile_rows<float>(args, batch, kv_head, tile, scratch);
  tile_rows<bf16>(args, batch, kv_head, tile, scratch);
}

}  // namespace transformers::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transformers::kernels::cpu {
HWY_EXPORT(attention_tile);
void attention_tile(const AttentionArgs& args, int64_t batch, int64_t kv_head, int64_t tile, float* scratch) {
  HWY_DYNAMIC_DISPATCH(attention_tile)(args, batch, kv_head, tile, scratch);
}
}  // namespace transformers::kernels::cpu
#endif
