#include "transformers/kernels/attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "transformers/kernels/fused.h"

namespace transformers::kernels {

// Products that one thread computes while another wakes up.
constexpr int64_t kGrain = 16 * 1024;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// at::scaled_dot_product_attention aligns its own causal mask with the first key and takes no second mask beside it.
static at::Tensor causal_mask(const at::Tensor& q, int64_t keys, const at::Tensor& mask) {
  const int64_t seq = q.size(2);
  at::Tensor hidden = at::full({seq, keys}, -kInfinity, q.options()).triu(keys - seq + 1);
  if (!mask.defined()) return hidden;
  if (mask.scalar_type() == at::kBool) return hidden.masked_fill(mask.logical_not(), -kInfinity);
  return mask + hidden;
}

static at::Tensor compose(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor mask,
                          bool is_causal, double scale) {
  const int64_t seq = q.size(2), keys = k.size(2);
  const bool is_square = seq == keys && !mask.defined();
  if (is_causal && seq > 1 && !is_square) mask = causal_mask(q, keys, mask);
  const auto bias = mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
  const bool is_grouped = q.size(1) != k.size(1);
  return at::scaled_dot_product_attention(q, k, v, bias, /*dropout_p=*/0.0, is_causal && seq > 1 && is_square, scale,
                                          is_grouped);
}

static bool is_usual(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask) {
  if (q.dim() != 4 || k.dim() != 4 || v.sizes() != k.sizes() || q.numel() == 0 || k.numel() == 0) return false;
  if (q.size(0) != k.size(0) || q.size(3) != k.size(3) || q.size(1) % k.size(1) != 0) return false;
  if (!has_dense_rows(q) || !has_dense_rows(k) || !has_dense_rows(v)) return false;
  if (!mask.defined()) return true;
  const int64_t shape[] = {q.size(0), q.size(1), q.size(2), k.size(2)};
  for (int64_t i = 0; i < 4; ++i) {
    if (mask.dim() != 4 || (mask.size(i) != 1 && mask.size(i) != shape[i])) return false;
  }
  return true;
}

static cpu::AttentionArgs arguments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const at::Tensor& mask, const at::Tensor& y) {
  const auto mask_stride = [&](int64_t i) { return mask.defined() && mask.size(i) > 1 ? mask.stride(i) : int64_t{0}; };
  return {.element = element_of(q),
          .q = q.const_data_ptr(),
          .k = k.const_data_ptr(),
          .v = v.const_data_ptr(),
          .mask = mask.defined() ? mask.const_data_ptr() : nullptr,
          .y = y.data_ptr(),
          .heads = q.size(1),
          .kv_heads = k.size(1),
          .seq = q.size(2),
          .keys = k.size(2),
          .size = q.size(3),
          .q_batch = q.stride(0),
          .q_head = q.stride(1),
          .q_seq = q.stride(2),
          .k_batch = k.stride(0),
          .k_head = k.stride(1),
          .k_seq = k.stride(2),
          .v_batch = v.stride(0),
          .v_head = v.stride(1),
          .v_seq = v.stride(2),
          .y_batch = y.stride(0),
          .y_head = y.stride(1),
          .y_seq = y.stride(2),
          .mask_batch = mask_stride(0),
          .mask_head = mask_stride(1),
          .mask_seq = mask_stride(2),
          .mask_key = mask_stride(3)};
}

// Tiles differ in length under a causal mask, so threads take the next one when they are free, longest first.
static void by_tiles(const cpu::AttentionArgs& args, int64_t batch) {
  const int64_t tiles = (args.group() * args.seq + cpu::kTileRows - 1) / cpu::kTileRows;
  const int64_t columns = batch * args.kv_heads;
  const int64_t workers = std::min<int64_t>(at::get_num_threads(), tiles * columns);
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, workers, 1, [&](int64_t, int64_t) {
    std::vector<float> scratch(cpu::attention_tile_scratch(args.size));
    for (int64_t i = next++; i < tiles * columns; i = next++) {
      const int64_t column = i % columns;
      cpu::attention_tile(args, column / args.kv_heads, column % args.kv_heads, tiles - 1 - i / columns,
                          scratch.data());
    }
  });
}

namespace {

// How the keys of one query position are shared out: items (batch, head block, chunk), the chunk fastest.
struct Chunks {
  int64_t keys;    // in a chunk; the last has the rest
  int64_t count;   // of chunks
  int64_t blocks;  // of at most kChunkRows heads in a group
};

}  // namespace

static Chunks plan_chunks(const cpu::AttentionArgs& args, int64_t batch) {
  constexpr int64_t kFewestKeys = 128;  // below, merging costs more than a thread brings
  const int64_t blocks = (args.group() + cpu::kChunkRows - 1) / cpu::kChunkRows;
  const int64_t wanted = 4 * at::get_num_threads() / (batch * args.kv_heads * blocks) + 1;
  const int64_t keys = std::max(kFewestKeys, (args.keys + wanted - 1) / wanted);
  return {.keys = keys, .count = (args.keys + keys - 1) / keys, .blocks = blocks};
}

// y = Σ exp(maxᵢ − max)·sumᵢ / Σ exp(maxᵢ − max)·totalᵢ over the chunks; the sums of one head follow each other at
// stride.
static void merge_chunks(float* partial, int64_t count, int64_t stride, int64_t size) {
  float max = -kInfinity, total = 0;
  for (int64_t i = 0; i < count; ++i) max = std::max(max, partial[i * stride + size + 1]);
  for (int64_t i = 0; i < count; ++i) {
    float* sums = partial + i * stride;
    const float factor = max == -kInfinity ? 1 : std::exp(sums[size + 1] - max);
    total += sums[size] * factor;
    for (int64_t d = 0; d < size; ++d) partial[d] = (i == 0 ? 0 : partial[d]) + sums[d] * factor;
  }
  const float scale = total == 0 ? 0 : 1 / total;
  for (int64_t d = 0; d < size; ++d) partial[d] *= scale;
}

// One query position: every key is read once for all heads of its group, several threads to a head.
static at::Tensor by_chunks(const cpu::AttentionArgs& args, int64_t batch, const at::Tensor& y) {
  const Chunks chunks = plan_chunks(args, batch);
  const int64_t width = args.size + 2, group = args.group();
  at::Tensor partial = at::empty({batch, args.heads, chunks.count, width}, y.options().dtype(at::kFloat));
  float* sums = partial.mutable_data_ptr<float>();
  const int64_t grain = std::max<int64_t>(1, kGrain / (chunks.keys * args.size));
  at::parallel_for(0, batch * args.kv_heads * chunks.blocks * chunks.count, grain, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t chunk = i % chunks.count, block = i / chunks.count % chunks.blocks;
      const int64_t column = i / chunks.count / chunks.blocks;
      const int64_t rows = std::min(cpu::kChunkRows, group - block * cpu::kChunkRows);
      const int64_t b = column / args.kv_heads, head = column % args.kv_heads * group + block * cpu::kChunkRows;
      const int64_t begin = chunk * chunks.keys, end = std::min(args.keys, begin + chunks.keys);
      float* row = sums + ((b * args.heads + head) * chunks.count + chunk) * width;
      cpu::attention_chunk(args, {.batch = b, .head = head, .rows = rows, .begin = begin, .end = end}, row,
                           chunks.count * width);
    }
  });
  for (int64_t i = 0; i < batch * args.heads; ++i) {
    merge_chunks(sums + i * chunks.count * width, chunks.count, width, args.size);
  }
  return partial.select(2, 0).narrow(2, 0, args.size).unsqueeze(2);
}

static at::Tensor fuse(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                       bool is_causal, double scale) {
  // Memory in the order (batch, seq, heads, size): the output projection flattens it without a copy.
  at::Tensor y = at::empty({q.size(0), q.size(2), q.size(1), q.size(3)}, q.options()).transpose(1, 2);
  cpu::AttentionArgs args = arguments(q, k, v, mask, y);
  args.is_causal = is_causal && args.seq > 1;
  args.scale = static_cast<float>(scale);
  if (args.seq == 1 && args.size % cpu::kChunkSizeStep == 0) {
    y.copy_(by_chunks(args, q.size(0), y));
  } else {
    by_tiles(args, q.size(0));
  }
  return y;
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                     bool is_causal, double scale) {
  const bool is_fused = is_usual(q, k, v, mask) && can_fuse({&q, &k, &v, &mask});
  return is_fused ? fuse(q, k, v, mask, is_causal, scale) : compose(q, k, v, mask, is_causal, scale);
}

}  // namespace transformers::kernels
