#pragma once

#include <cstdint>

// The vector code: raw pointers, one slice of the work per call, for the caller to spread over threads. Each function
// jumps to the best compilation for this processor. Strides count elements.
namespace transformers::kernels::cpu {

enum class Element { F32, BF16 };

struct LinearArgs {
  Element element = Element::F32;
  const void* x = nullptr;       // (rows, in), dense
  const void* weight = nullptr;  // (out, in), dense
  const void* bias = nullptr;    // (out) or null
  void* y = nullptr;             // (rows, out), dense
  int64_t rows = 0, in = 0, out = 0;
};
/// Columns [begin, end) of y. Each weight is read from memory once for all rows.
void linear(const LinearArgs& args, int64_t begin, int64_t end);

struct RmsNormArgs {
  Element element = Element::F32;
  const void* x = nullptr;  // (rows, size), dense, as y
  const void* weight = nullptr;
  void* y = nullptr;
  int64_t size = 0;
  double eps = 0;
};
/// Rows [begin, end).
void rms_norm(const RmsNormArgs& args, int64_t begin, int64_t end);

struct RotaryArgs {
  Element element = Element::F32;
  const void* x = nullptr;  // (batch, heads, seq, size), the last dimension dense, as y, cos and sin
  void* y = nullptr;
  const void* cos = nullptr;
  const void* sin = nullptr;
  int64_t heads = 0, seq = 0, size = 0;
  int64_t x_batch = 0, x_head = 0, x_seq = 0;
  int64_t y_batch = 0, y_head = 0, y_seq = 0;
  int64_t table_batch = 0, table_seq = 0;
};
/// Positions [begin, end) of the batch · seq ones.
void rotary(const RotaryArgs& args, int64_t begin, int64_t end);

enum class Gate { GeluTanh, Relu, Silu };

struct GatedActivationArgs {
  Element element = Element::F32;
  Gate gate_kind = Gate::Silu;
  const void* gate = nullptr;
  const void* up = nullptr;
  void* y = nullptr;
};
/// Elements [begin, end).
void gated_activation(const GatedActivationArgs& args, int64_t begin, int64_t end);

struct AttentionArgs {
  Element element = Element::F32;
  const void* q = nullptr;     // (batch, heads, seq, size), the last dimension dense, as k, v and y
  const void* k = nullptr;     // (batch, kv_heads, keys, size)
  const void* v = nullptr;     // (batch, kv_heads, keys, size)
  const void* mask = nullptr;  // (batch, heads, seq, keys) by strides that may be zero, or null
  void* y = nullptr;
  int64_t heads = 0, kv_heads = 0, seq = 0, keys = 0, size = 0;
  int64_t q_batch = 0, q_head = 0, q_seq = 0;
  int64_t k_batch = 0, k_head = 0, k_seq = 0;
  int64_t v_batch = 0, v_head = 0, v_seq = 0;
  int64_t y_batch = 0, y_head = 0, y_seq = 0;
  int64_t mask_batch = 0, mask_head = 0, mask_seq = 0, mask_key = 0;
  bool is_causal = false;
  float scale = 1;

  int64_t group() const { return heads / kv_heads; }
};

/// Query rows, group · seq of them to a key head, that one attention_tile computes.
inline constexpr int64_t kTileRows = 64;
/// Keys that one attention_tile looks at together.
inline constexpr int64_t kTileKeys = 64;
/// Floats of scratch memory that attention_tile needs.
inline int64_t attention_tile_scratch(int64_t size) {
  return kTileRows * (2 * size + kTileKeys + 5) + kTileKeys * size;
}
/// Output of the query rows [tile · kTileRows, …) of one key head. Many rows share what is read of k and v.
void attention_tile(const AttentionArgs& args, int64_t batch, int64_t kv_head, int64_t tile, float* scratch);

/// Query rows at most, and a divisor of size, for attention_chunk.
inline constexpr int64_t kChunkRows = 4;
inline constexpr int64_t kChunkSizeStep = 16;
struct AttentionChunk {
  int64_t batch = 0;
  int64_t head = 0, rows = 0;  // query heads [head, head + rows) of one group
  int64_t begin = 0, end = 0;  // keys
};
/// One query position (seq 1) over some of the keys. Writes to partial, row by row at stride, size + 2 floats: the sum
/// of exp(score − max)·v, the sum of exp(score − max), and max.
void attention_chunk(const AttentionArgs& args, const AttentionChunk& chunk, float* partial, int64_t stride);

/// False where this processor has none of the instruction sets, or TRANSFORMERS_CPU_ISA says "none": then the functions
/// above work, one lane at a time, and ATen's ops are faster.
bool is_vectorized();
/// True where bfloat16 products have an instruction of their own and it is in use.
bool has_native_bf16();

}  // namespace transformers::kernels::cpu
