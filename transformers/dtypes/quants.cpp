#include "transformers/dtypes/quants.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/detail/instruction_sets.h"

// The results are ggml's bits on every processor, fused multiply-adds or not: a scale has at most 11 + 8 significant
// bits and a quant 8, of which no type uses more than 24 together, so each product is exact and only the sum rounds.

namespace transformers {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian and used in place");

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

// ggml's block structures. All members are bytes: blocks lie in files without alignment.
struct Half {
  uint8_t low, high;
  [[gnu::always_inline]] operator float() const { return widen_half(low | static_cast<uint32_t>(high) << 8); }
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

template <class Block, int kElements>
[[gnu::always_inline]] inline void expand_blocks(const std::byte* source, float* target, size_t blocks) {
  static_assert(alignof(Block) == 1);
  const auto* block = reinterpret_cast<const Block*>(source);
  for (size_t i = 0; i < blocks; ++i) expand(block[i], target + i * kElements);
}

using Expansion = void (*)(const std::byte* source, float* target, size_t blocks);

// One body, compiled once per instruction set.
template <class Block, int kElements>
void expand_portable(const std::byte* source, float* target, size_t blocks) {
  expand_blocks<Block, kElements>(source, target, blocks);
}
#if defined(__x86_64__)
template <class Block, int kElements>
[[gnu::target("avx2")]] void expand_avx2(const std::byte* source, float* target, size_t blocks) {
  expand_blocks<Block, kElements>(source, target, blocks);
}
template <class Block, int kElements>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] void expand_avx512(
    const std::byte* source, float* target, size_t blocks) {
  expand_blocks<Block, kElements>(source, target, blocks);
}
#endif

void copy_floats(const std::byte* source, float* target, size_t blocks) {
  if (blocks != 0) std::memcpy(target, source, blocks * sizeof(float));
}

struct ExpansionRow {
  DataType type;
  Expansion by_set[3];  // indexed by InstructionSet
};

template <class Block, int kElements>
constexpr ExpansionRow row(DataType type) {
#if defined(__x86_64__)
  return {type, {expand_portable<Block, kElements>, expand_avx2<Block, kElements>, expand_avx512<Block, kElements>}};
#else
  return {type, {expand_portable<Block, kElements>, nullptr, nullptr}};
#endif
}

constexpr ExpansionRow kExpansions[] = {
    {DataType::F32, {copy_floats, copy_floats, copy_floats}},
    row<BlockHalf, 1>(DataType::F16),
    row<BlockBrain, 1>(DataType::BF16),
    row<Block4_0, 32>(DataType::Q4_0),
    row<Block4_1, 32>(DataType::Q4_1),
    row<Block5_0, 32>(DataType::Q5_0),
    row<Block5_1, 32>(DataType::Q5_1),
    row<Block8_0, 32>(DataType::Q8_0),
    row<Block2K, 256>(DataType::Q2_K),
    row<Block3K, 256>(DataType::Q3_K),
    row<Block4K, 256>(DataType::Q4_K),
    row<Block5K, 256>(DataType::Q5_K),
    row<Block6K, 256>(DataType::Q6_K),
};

}  // namespace

detail::InstructionSet detail::widest_instruction_set() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return InstructionSet::Avx512;
  if (__builtin_cpu_supports("avx2")) return InstructionSet::Avx2;
#endif
  return InstructionSet::Portable;
}

void detail::dequantize_with(InstructionSet set, DataType type, std::span<const std::byte> source,
                             std::span<float> target) {
  const DataTypeInfo& layout = info(type);
  const auto* found = std::find_if(std::begin(kExpansions), std::end(kExpansions),
                                   [&](const ExpansionRow& expansion) { return expansion.type == type; });
  if (found == std::end(kExpansions))
    throw ValueError(
        str("cannot expand ", layout.name, " to float32: it is no float of at most 32 bits and no block type"));
  const size_t blocks = target.size() / static_cast<size_t>(layout.block_elements);
  const size_t needed = blocks * static_cast<size_t>(layout.block_bytes);
  if (target.size() % static_cast<size_t>(layout.block_elements) != 0 || source.size() != needed)
    throw ValueError(str("cannot expand ", source.size(), " bytes of ", layout.name, " to ", target.size(),
                         " elements: blocks of ", layout.block_elements, " take ", layout.block_bytes, " bytes"));
  found->by_set[static_cast<size_t>(set)](source.data(), target.data(), blocks);
}

void dequantize(DataType type, std::span<const std::byte> source, std::span<float> target) {
  static const auto set = detail::widest_instruction_set();
  detail::dequantize_with(set, type, source, target);
}

float half_to_float(uint16_t bits) { return widen_half(bits); }

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<uint16_t>(sign | 0x7e00U | (magnitude >> 13 & 0x3ffU));
  if (magnitude >= 0x477ff000U) return static_cast<uint16_t>(sign | 0x7c00U);  // rounds to 65536 or more
  if (magnitude < 0x38800000U) {  // subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5F)));
  }
  const uint32_t rounded = magnitude - (112U << 23) + 0xfffU + (magnitude >> 13 & 1U);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>(bits >> 16 | 0x40U);  // quiet, never infinity
  return static_cast<uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

}  // namespace transformers
