#pragma once

#include <cstdint>
#include <cstring>

#include "transformers/dtypes/detail/blocks.h"
#include "transformers/dtypes/detail/fit.h"

// Float32 to one block of the K types, an overload for each.
namespace transformers::detail {

[[gnu::always_inline]] inline void pack(const float* x, Block2K& block) {
  const RangeBlock<3, 16, 15> fit(x);
  block.scale = fit.scale;
  block.minimum = fit.minimum;
  std::memset(block.quants, 0, sizeof block.quants);
  for (int g = 0; g < 16; ++g) {
    block.scales[g] = static_cast<uint8_t>(fit.scales[g] | fit.minimums[g] << 4);
    uint8_t* quants = block.quants + g / 8 * 32 + g % 2 * 16;
    for (int i = 0; i < 16; ++i) quants[i] = static_cast<uint8_t>(quants[i] | fit.quants[16 * g + i] << g % 8 / 2 * 2);
  }
}

[[gnu::always_inline]] inline void pack(const float* x, Block3K& block) {
  const CentredBlock<4, 32> fit(x);
  std::memset(&block, 0, sizeof block);
  block.scale = fit.scale;
  for (int g = 0; g < 16; ++g) {
    const int scale = fit.scales[g] + 32;
    uint8_t &low = block.scales[g % 8], &high = block.scales[8 + g % 4];
    low = static_cast<uint8_t>(low | (scale & 15) << (g < 8 ? 0 : 4));
    high = static_cast<uint8_t>(high | scale >> 4 << g / 4 * 2);
    uint8_t *quants = block.quants + g / 8 * 32 + g % 2 * 16, *bits = block.high + g % 2 * 16;
    for (int i = 0; i < 16; ++i) {
      const int q = fit.quants[16 * g + i];
      quants[i] = static_cast<uint8_t>(quants[i] | (q & 3) << g % 8 / 2 * 2);
      bits[i] = static_cast<uint8_t>(bits[i] | q >> 2 << g / 2);
    }
  }
}

// Six bits each; the upper four groups keep theirs in two places.
[[gnu::always_inline]] inline void pack_scales(const uint8_t (&scales)[8], const uint8_t (&minimums)[8],
                                               uint8_t (&packed)[12]) {
  for (int g = 0; g < 4; ++g) {
    packed[g] = static_cast<uint8_t>(scales[g] | scales[g + 4] >> 4 << 6);
    packed[g + 4] = static_cast<uint8_t>(minimums[g] | minimums[g + 4] >> 4 << 6);
    packed[g + 8] = static_cast<uint8_t>((scales[g + 4] & 15) | minimums[g + 4] << 4);
  }
}

[[gnu::always_inline]] inline void pack(const float* x, Block4K& block) {
  const RangeBlock<15, 8, 63> fit(x);
  block.scale = fit.scale;
  block.minimum = fit.minimum;
  pack_scales(fit.scales, fit.minimums, block.scales);
  for (int i = 0; i < 128; ++i) {
    const uint8_t* q = fit.quants + i / 32 * 64 + i % 32;
    block.quants[i] = static_cast<uint8_t>(q[0] | q[32] << 4);
  }
}

[[gnu::always_inline]] inline void pack(const float* x, Block5K& block) {
  const RangeBlock<31, 8, 63> fit(x);
  block.scale = fit.scale;
  block.minimum = fit.minimum;
  pack_scales(fit.scales, fit.minimums, block.scales);
  std::memset(block.high, 0, sizeof block.high);
  for (int i = 0; i < 128; ++i) {
    const uint8_t* q = fit.quants + i / 32 * 64 + i % 32;
    block.quants[i] = static_cast<uint8_t>((q[0] & 15) | q[32] << 4);
    const int bits = q[0] >> 4 | q[32] >> 4 << 1;
    block.high[i % 32] = static_cast<uint8_t>(block.high[i % 32] | bits << i / 32 * 2);
  }
}

[[gnu::always_inline]] inline void pack(const float* x, Block6K& block) {
  const CentredBlock<32, 128> fit(x);
  std::memset(&block, 0, sizeof block);
  block.scale = fit.scale;
  for (int g = 0; g < 16; ++g) {
    const int half = g / 8, within = g % 8;
    block.scales[g] = fit.scales[g];
    uint8_t* low = block.low + half * 64 + within % 4 * 16;
    uint8_t* high = block.high + half * 32 + within % 2 * 16;
    for (int i = 0; i < 16; ++i) {
      const int q = fit.quants[16 * g + i];
      low[i] = static_cast<uint8_t>(low[i] | (q & 15) << within / 4 * 4);
      high[i] = static_cast<uint8_t>(high[i] | q >> 4 << within / 2 * 2);
    }
  }
}

}  // namespace transformers::detail
