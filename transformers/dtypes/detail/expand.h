#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "transformers/dtypes/detail/blocks.h"

// One block to float32, an overload for each type. The results are ggml's bits on every processor: a scale has at most
// 11 + 8 significant bits and a quant 8, of which no type uses more than 24 together, so each product is exact and only
// the sum rounds.
namespace transformers::detail {

[[gnu::always_inline]] inline void expand(const BlockHalf& block, float* out) { *out = block.value; }

[[gnu::always_inline]] inline void expand(const BlockBrain& block, float* out) {
  *out = std::bit_cast<float>(static_cast<uint32_t>(block.high) << 24 | static_cast<uint32_t>(block.low) << 16);
}

[[gnu::always_inline]] inline void expand(const Block4_0& block, float* out) {
  const float d = block.scale;
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>((block.quants[i] & 15) - 8);
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>((block.quants[i] >> 4) - 8);
}

[[gnu::always_inline]] inline void expand(const Block4_1& block, float* out) {
  const float d = block.scale, m = block.minimum;
  for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>(block.quants[i] & 15) + m;
  for (int i = 0; i < 16; ++i) out[16 + i] = d * static_cast<float>(block.quants[i] >> 4) + m;
}

// The fifth bits of the 32 elements, at the place where they are added.
[[gnu::always_inline]] inline void unpack_fives(const uint8_t (&high)[4], const uint8_t (&quants)[16], int (&q)[32]) {
  uint32_t bits = 0;
  std::memcpy(&bits, high, sizeof bits);
  for (uint32_t i = 0; i < 16; ++i) q[i] = static_cast<int>((quants[i] & 15U) | (bits >> i & 1U) << 4);
  for (uint32_t i = 0; i < 16; ++i) q[16 + i] = static_cast<int>((quants[i] >> 4U) | (bits >> (16 + i) & 1U) << 4);
}

[[gnu::always_inline]] inline void expand(const Block5_0& block, float* out) {
  const float d = block.scale;
  int q[32];
  unpack_fives(block.high, block.quants, q);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i] - 16);
}

[[gnu::always_inline]] inline void expand(const Block5_1& block, float* out) {
  const float d = block.scale, m = block.minimum;
  int q[32];
  unpack_fives(block.high, block.quants, q);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i]) + m;
}

[[gnu::always_inline]] inline void expand(const Block8_0& block, float* out) {
  const float d = block.scale;
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(block.quants[i]);
}

// Sixteen groups of 16 two-bit values; four shifts of 32 bytes give 128 of them.
[[gnu::always_inline]] inline void expand(const Block2K& block, float* out) {
  const float d = block.scale, m = block.minimum;
  for (int group = 0; group < 16; ++group) {
    const uint8_t* quants = block.quants + group / 8 * 32 + group % 2 * 16;
    const int shift = group % 8 / 2 * 2;
    const float scale = d * static_cast<float>(block.scales[group] & 15);
    const float minimum = m * static_cast<float>(block.scales[group] >> 4);
    for (int i = 0; i < 16; ++i) out[group * 16 + i] = scale * static_cast<float>(quants[i] >> shift & 3) - minimum;
  }
}

[[gnu::always_inline]] inline void expand(const Block3K& block, float* out) {
  const float d = block.scale;
  for (int group = 0; group < 16; ++group) {
    const int low = group < 8 ? block.scales[group] & 15 : block.scales[group - 8] >> 4;
    const int high = block.scales[8 + group % 4] >> (group / 4 * 2) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const uint8_t* quants = block.quants + group / 8 * 32 + group % 2 * 16;
    const uint8_t* high_bits = block.high + group % 2 * 16;
    const int shift = group % 8 / 2 * 2, bit = group / 2;
    // A high bit that is set means "subtract nothing".
    for (int i = 0; i < 16; ++i)
      out[group * 16 + i] = scale * static_cast<float>((quants[i] >> shift & 3) + (high_bits[i] >> bit & 1) * 4 - 4);
  }
}

struct ScaleAndMinimum {
  float scale, minimum;
};

// Six bits each; the upper four groups keep theirs in two places.
[[gnu::always_inline]] inline ScaleAndMinimum unpack_scale(const uint8_t (&packed)[12], int group) {
  if (group < 4) return {static_cast<float>(packed[group] & 63), static_cast<float>(packed[group + 4] & 63)};
  const uint8_t both = packed[group + 4];
  return {static_cast<float>((both & 15) | (packed[group - 4] >> 2 & 48)),
          static_cast<float>((both >> 4) | (packed[group] >> 2 & 48))};
}

[[gnu::always_inline]] inline void expand(const Block4K& block, float* out) {
  const float d = block.scale, m = block.minimum;
  for (int group = 0; group < 8; ++group) {
    const auto packed = unpack_scale(block.scales, group);
    const float scale = d * packed.scale, minimum = m * packed.minimum;
    const uint8_t* quants = block.quants + group / 2 * 32;
    const int shift = group % 2 * 4;
    for (int i = 0; i < 32; ++i) out[group * 32 + i] = scale * static_cast<float>(quants[i] >> shift & 15) - minimum;
  }
}

[[gnu::always_inline]] inline void expand(const Block5K& block, float* out) {
  const float d = block.scale, m = block.minimum;
  for (int group = 0; group < 8; ++group) {
    const auto packed = unpack_scale(block.scales, group);
    const float scale = d * packed.scale, minimum = m * packed.minimum;
    const uint8_t* quants = block.quants + group / 2 * 32;
    const int shift = group % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int q = (quants[i] >> shift & 15) | (block.high[i] >> group & 1) << 4;
      out[group * 32 + i] = scale * static_cast<float>(q) - minimum;
    }
  }
}

[[gnu::always_inline]] inline void expand(const Block6K& block, float* out) {
  const float d = block.scale;
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(block.scales[group]);
    const int half = group / 8, within = group % 8;
    const uint8_t* low = block.low + half * 64 + within % 4 * 16;
    const uint8_t* high = block.high + half * 32 + within % 2 * 16;
    const int low_shift = within / 4 * 4, high_shift = within / 2 * 2;
    for (int i = 0; i < 16; ++i) {
      const int q = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
      out[group * 16 + i] = scale * static_cast<float>(q - 32);
    }
  }
}

// The sixteen levels of the non-linear four-bit types.
constexpr int8_t kNonLinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the values of a four-bit float with two bits of exponent and one of fraction.
constexpr int8_t kFloat4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

[[gnu::always_inline]] inline void expand_levels(const uint8_t* quants, const int8_t (&levels)[16], float scale,
                                                 float* out) {
  for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>(levels[quants[i] & 15]);
  for (int i = 0; i < 16; ++i) out[16 + i] = scale * static_cast<float>(levels[quants[i] >> 4]);
}

[[gnu::always_inline]] inline void expand(const BlockIQ4NL& block, float* out) {
  expand_levels(block.quants, kNonLinear, block.scale, out);
}

[[gnu::always_inline]] inline void expand(const BlockIQ4XS& block, float* out) {
  const float d = block.scale;
  const int high = block.scales_high[0] | block.scales_high[1] << 8;
  for (int group = 0; group < 8; ++group) {
    const int scale = (block.scales_low[group / 2] >> (group % 2 * 4) & 15) | (high >> (2 * group) & 3) << 4;
    expand_levels(block.quants + 16 * group, kNonLinear, d * static_cast<float>(scale - 32), out + 32 * group);
  }
}

[[gnu::always_inline]] inline void expand(const BlockMXFP4& block, float* out) {
  // Half of 2^(exponent - 127), because the levels are doubled; the lowest two are subnormal.
  const uint32_t e = block.exponent;
  const float scale = std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1) << 23);
  expand_levels(block.quants, kFloat4, scale, out);
}

// Digits to the base three, as the leading digits of a fraction of 256: multiplied by a power of three, the digit
// wanted is the first behind the point.
[[gnu::always_inline]] inline void expand_digits(const uint8_t* packed, int count, int digits, float scale,
                                                 float* out) {
  unsigned power = 1;
  for (int digit = 0; digit < digits; ++digit, power *= 3)
    for (int i = 0; i < count; ++i) {
      const unsigned fraction = packed[i] * power & 255U;
      out[digit * count + i] = scale * static_cast<float>(static_cast<int>(fraction * 3 >> 8) - 1);
    }
}

[[gnu::always_inline]] inline void expand(const BlockTQ1& block, float* out) {
  const float d = block.scale;
  expand_digits(block.fives, 32, 5, d, out);
  expand_digits(block.fives + 32, 16, 5, d, out + 160);
  expand_digits(block.fours, 4, 4, d, out + 240);
}

[[gnu::always_inline]] inline void expand(const BlockTQ2& block, float* out) {
  const float d = block.scale;
  for (int group = 0; group < 8; ++group) {
    const uint8_t* quants = block.quants + group / 4 * 32;
    const int shift = group % 4 * 2;
    for (int i = 0; i < 32; ++i) out[group * 32 + i] = d * static_cast<float>((quants[i] >> shift & 3) - 1);
  }
}

}  // namespace transformers::detail
