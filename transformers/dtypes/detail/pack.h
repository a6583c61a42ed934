#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "transformers/dtypes/detail/blocks.h"

// Float32 to one block of the types with one scale for 32 elements, an overload for each. Scale and rounding are those
// of the gguf package, to the bit: so nothing here may be contracted to a fused multiply-add (see CMakeLists.txt).
namespace transformers::detail {

[[gnu::always_inline]] inline void pack(const float* x, BlockHalf& block) { block.value = Half::of(*x); }

[[gnu::always_inline]] inline void pack(const float* x, BlockBrain& block) {
  const uint16_t bits = narrow_to_brain(*x);
  block = {static_cast<uint8_t>(bits & 255), static_cast<uint8_t>(bits >> 8)};
}

// 0 for a scale of 0, and for one whose inverse would be infinite.
[[gnu::always_inline]] inline float inverse_of(float scale) { return std::fabs(scale) < 3e-39F ? 0.0F : 1.0F / scale; }

// The element that is furthest from 0; the first of several.
[[gnu::always_inline]] inline float furthest(const float* x) {
  float found = x[0];
  for (int i = 1; i < 32; ++i) found = std::fabs(x[i]) > std::fabs(found) ? x[i] : found;
  return found;
}

// `value` cut to a whole number up to `most`; values are above -1.
[[gnu::always_inline]] inline uint8_t cut(float value, int most) {
  return static_cast<uint8_t>(std::clamp(static_cast<int>(value), 0, most));
}

[[gnu::always_inline]] inline void pack_fours(const uint8_t (&q)[32], uint8_t (&quants)[16]) {
  for (int i = 0; i < 16; ++i) quants[i] = static_cast<uint8_t>((q[i] & 15) | q[16 + i] << 4);
}

[[gnu::always_inline]] inline void pack_fives(const uint8_t (&q)[32], uint8_t (&high)[4], uint8_t (&quants)[16]) {
  pack_fours(q, quants);
  uint32_t bits = 0;
  for (uint32_t i = 0; i < 32; ++i) bits |= (q[i] >> 4U & 1U) << i;
  std::memcpy(high, &bits, sizeof bits);
}

[[gnu::always_inline]] inline Half pack_centred(const float* x, int most, uint8_t (&q)[32]) {
  const float middle = static_cast<float>(most / 2 + 1), scale = furthest(x) / -middle, inverse = inverse_of(scale);
  for (int i = 0; i < 32; ++i) q[i] = cut(x[i] * inverse + (middle + 0.5F), most);
  return Half::of(scale);
}

struct Range {
  Half scale, minimum;
};

[[gnu::always_inline]] inline Range pack_range(const float* x, int most, uint8_t (&q)[32]) {
  float low = x[0], high = x[0];
  for (int i = 1; i < 32; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  const float scale = (high - low) / static_cast<float>(most), inverse = inverse_of(scale);
  for (int i = 0; i < 32; ++i) q[i] = cut((x[i] - low) * inverse + 0.5F, most);
  return {Half::of(scale), Half::of(low)};
}

[[gnu::always_inline]] inline void pack(const float* x, Block4_0& block) {
  uint8_t q[32];
  block.scale = pack_centred(x, 15, q);
  pack_fours(q, block.quants);
}

[[gnu::always_inline]] inline void pack(const float* x, Block5_0& block) {
  uint8_t q[32];
  block.scale = pack_centred(x, 31, q);
  pack_fives(q, block.high, block.quants);
}

[[gnu::always_inline]] inline void pack(const float* x, Block4_1& block) {
  uint8_t q[32];
  const Range range = pack_range(x, 15, q);
  block.scale = range.scale;
  block.minimum = range.minimum;
  pack_fours(q, block.quants);
}

[[gnu::always_inline]] inline void pack(const float* x, Block5_1& block) {
  uint8_t q[32];
  const Range range = pack_range(x, 31, q);
  block.scale = range.scale;
  block.minimum = range.minimum;
  pack_fives(q, block.high, block.quants);
}

[[gnu::always_inline]] inline void pack(const float* x, Block8_0& block) {
  const float scale = std::fabs(furthest(x)) / 127.0F, inverse = inverse_of(scale);
  block.scale = Half::of(scale);
  for (int i = 0; i < 32; ++i) {
    const float scaled = std::fabs(x[i] * inverse);
    const int whole = static_cast<int>(scaled);
    const int rounded = whole + (scaled - static_cast<float>(whole) >= 0.5F ? 1 : 0);  // halves away from 0
    block.quants[i] = static_cast<int8_t>(x[i] < 0 ? -rounded : rounded);
  }
}

}  // namespace transformers::detail
