#pragma once

#include <bit>
#include <cstdint>

// For quants.cpp alone. Everything is inlined, so that it is compiled once per instruction set.
namespace transformers::detail {

// Without branches, so that loops over it become vector code. Subnormal halves: subtracting the implicit one
// renormalises.
[[gnu::always_inline]] inline float widen_half(uint32_t bits) {
  const uint32_t magnitude = (bits & 0x7fffU) << 13;
  const uint32_t normal = magnitude + (112U << 23);
  const uint32_t special = magnitude + (224U << 23);
  const float subnormal = std::bit_cast<float>(magnitude + (113U << 23)) - std::bit_cast<float>(113U << 23);
  uint32_t wide = magnitude >= (31U << 23) ? special : normal;
  wide = magnitude < (1U << 23) ? std::bit_cast<uint32_t>(subnormal) : wide;
  return std::bit_cast<float>(wide | (bits & 0x8000U) << 16);
}

// Without branches too; nearest even. Below the least normal half, adding 0.5 leaves the rounded multiple of 2^-24 in
// the low bits.
[[gnu::always_inline]] inline uint16_t narrow_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffffU;
  const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
  const uint32_t subnormal = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5F);
  uint32_t half = (magnitude - (112U << 23) + 0xfffU + (magnitude >> 13 & 1U)) >> 13;
  half = magnitude < 0x38800000U ? subnormal : half;
  half = magnitude >= 0x477ff000U ? 0x7c00U : half;  // rounds to 65536 or more
  half = magnitude > 0x7f800000U ? 0x7e00U | (magnitude >> 13 & 0x3ffU) : half;
  return static_cast<uint16_t>((bits >> 16 & 0x8000U) | half);
}

[[gnu::always_inline]] inline uint16_t narrow_to_brain(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16, quiet = bits >> 16 | 0x40U;
  return static_cast<uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);  // NaN never becomes infinity
}

// ggml's block structures. All members are bytes: blocks lie in files without alignment.
struct Half {
  uint8_t low, high;
  [[gnu::always_inline]] operator float() const { return widen_half(low | static_cast<uint32_t>(high) << 8); }
  [[gnu::always_inline]] static Half of(float value) {
    const uint16_t bits = narrow_to_half(value);
    return {static_cast<uint8_t>(bits & 255), static_cast<uint8_t>(bits >> 8)};
  }
};
struct BlockHalf {
  Half value;
};
struct BlockBrain {
  uint8_t low, high;
};
struct Block4_0 {
  Half scale;
  uint8_t quants[16];
};
struct Block4_1 {
  Half scale, minimum;
  uint8_t quants[16];
};
struct Block5_0 {
  Half scale;
  uint8_t high[4], quants[16];
};
struct Block5_1 {
  Half scale, minimum;
  uint8_t high[4], quants[16];
};
struct Block8_0 {
  Half scale;
  int8_t quants[32];
};
struct Block2K {
  uint8_t scales[16], quants[64];
  Half scale, minimum;
};
struct Block3K {
  uint8_t high[32], quants[64], scales[12];
  Half scale;
};
struct Block4K {
  Half scale, minimum;
  uint8_t scales[12], quants[128];
};
struct Block5K {
  Half scale, minimum;
  uint8_t scales[12], high[32], quants[128];
};
struct Block6K {
  uint8_t low[128], high[64];
  int8_t scales[16];
  Half scale;
};
struct BlockIQ4NL {
  Half scale;
  uint8_t quants[16];
};
struct BlockIQ4XS {
  Half scale;
  uint8_t scales_high[2], scales_low[4], quants[128];
};
struct BlockTQ1 {
  uint8_t fives[48], fours[4];
  Half scale;
};
struct BlockTQ2 {
  uint8_t quants[64];
  Half scale;
};
struct BlockMXFP4 {
  uint8_t exponent, quants[16];
};

}  // namespace transformers::detail
