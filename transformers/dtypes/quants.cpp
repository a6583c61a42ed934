#include "transformers/dtypes/quants.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/detail/expand.h"
#include "transformers/dtypes/detail/instruction_sets.h"
#include "transformers/dtypes/detail/pack.h"
#include "transformers/dtypes/detail/pack_k.h"

namespace transformers {
namespace {

using namespace detail;  // its blocks
using enum DataType;

static_assert(std::endian::native == std::endian::little, "files are little-endian and used in place");

template <class Block, int kElements>
[[gnu::always_inline]] inline void expand_blocks(const std::byte* source, float* target, size_t blocks) {
  static_assert(alignof(Block) == 1);
  const auto* block = reinterpret_cast<const Block*>(source);
  for (size_t i = 0; i < blocks; ++i) expand(block[i], target + i * kElements);
}

template <class Block, int kElements>
[[gnu::always_inline]] inline void pack_blocks(const float* source, std::byte* target, size_t blocks) {
  auto* block = reinterpret_cast<Block*>(target);
  for (size_t i = 0; i < blocks; ++i) pack(source + i * kElements, block[i]);
}

using Expansion = void (*)(const std::byte* source, float* target, size_t blocks);
using Packing = void (*)(const float* source, std::byte* target, size_t blocks);

// One body, compiled once per instruction set.
template <class Block, int kElements>
void expand_portable(const std::byte* source, float* target, size_t blocks) {
  expand_blocks<Block, kElements>(source, target, blocks);
}
template <class Block, int kElements>
void pack_portable(const float* source, std::byte* target, size_t blocks) {
  pack_blocks<Block, kElements>(source, target, blocks);
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
template <class Block, int kElements>
[[gnu::target("avx2")]] void pack_avx2(const float* source, std::byte* target, size_t blocks) {
  pack_blocks<Block, kElements>(source, target, blocks);
}
#endif

void copy_floats(const std::byte* source, float* target, size_t blocks) {
  if (blocks != 0) std::memcpy(target, source, blocks * sizeof(float));
}

void copy_bytes(const float* source, std::byte* target, size_t blocks) {
  if (blocks != 0) std::memcpy(target, source, blocks * sizeof(float));
}

// A type, both ways. Both arrays are indexed by InstructionSet.
struct QuantRow {
  DataType type;
  Expansion expand[3];
  Packing pack[3] = {};  // null: only read
};

template <class Block, int kElements>
constexpr QuantRow read_only(DataType type) {
#if defined(__x86_64__)
  return {type, {expand_portable<Block, kElements>, expand_avx2<Block, kElements>, expand_avx512<Block, kElements>}};
#else
  return {type, {expand_portable<Block, kElements>, nullptr, nullptr}};
#endif
}

template <class Block, int kElements>
constexpr QuantRow both_ways(DataType type) {
  QuantRow row = read_only<Block, kElements>(type);
  row.pack[0] = pack_portable<Block, kElements>;
#if defined(__x86_64__)
  row.pack[1] = row.pack[2] = pack_avx2<Block, kElements>;
#endif
  return row;
}

constexpr QuantRow kQuants[] = {
    {F32, {copy_floats, copy_floats, copy_floats}, {copy_bytes, copy_bytes, copy_bytes}},
    both_ways<BlockHalf, 1>(F16),
    both_ways<BlockBrain, 1>(BF16),
    both_ways<Block4_0, 32>(Q4_0),
    both_ways<Block4_1, 32>(Q4_1),
    both_ways<Block5_0, 32>(Q5_0),
    both_ways<Block5_1, 32>(Q5_1),
    both_ways<Block8_0, 32>(Q8_0),
    both_ways<Block2K, 256>(Q2_K),
    both_ways<Block3K, 256>(Q3_K),
    both_ways<Block4K, 256>(Q4_K),
    both_ways<Block5K, 256>(Q5_K),
    both_ways<Block6K, 256>(Q6_K),
    read_only<BlockIQ4NL, 32>(IQ4_NL),
    read_only<BlockIQ4XS, 256>(IQ4_XS),
    read_only<BlockTQ1, 256>(TQ1_0),
    read_only<BlockTQ2, 256>(TQ2_0),
    read_only<BlockMXFP4, 32>(MXFP4),
};

const QuantRow* find_row(DataType type) {
  const auto* found =
      std::find_if(std::begin(kQuants), std::end(kQuants), [&](const QuantRow& row) { return row.type == type; });
  return found == std::end(kQuants) ? nullptr : found;
}

// The number of blocks that `elements` make; `bytes` must be theirs.
size_t checked_blocks(std::string_view verb, const DataTypeInfo& layout, size_t bytes, size_t elements) {
  const size_t blocks = elements / static_cast<size_t>(layout.block_elements);
  const size_t needed = blocks * static_cast<size_t>(layout.block_bytes);
  if (elements % static_cast<size_t>(layout.block_elements) != 0 || bytes != needed)
    throw ValueError(str("cannot ", verb, " ", bytes, " bytes of ", layout.name, " to ", elements,
                         " elements: blocks of ", layout.block_elements, " take ", layout.block_bytes, " bytes"));
  return blocks;
}

// The scale of a block is a half, and one that is infinite or NaN would ruin the whole block.
void check_range(const DataTypeInfo& layout, std::span<const float> source) {
  constexpr float kMost = 65504;
  bool is_bad = false;
  for (const float x : source) is_bad |= !(std::fabs(x) <= kMost);
  if (!is_bad) return;
  const auto bad = std::find_if(source.begin(), source.end(), [](float x) { return !(std::fabs(x) <= kMost); });
  throw ValueError(str("cannot write ", *bad, " (element ", bad - source.begin(), ") as ", layout.name,
                       ", whose blocks hold finite numbers up to 65504: use a float type"));
}

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
  const auto* row = find_row(type);
  if (!row)
    throw ValueError(
        str("cannot expand ", layout.name, " to float32: it is no float of at most 32 bits and no block type"));
  const size_t blocks = checked_blocks("expand", layout, source.size(), target.size());
  row->expand[static_cast<size_t>(set)](source.data(), target.data(), blocks);
}

void detail::quantize_with(InstructionSet set, DataType type, std::span<const float> source,
                           std::span<std::byte> target) {
  const DataTypeInfo& layout = info(type);
  if (!can_quantize(type)) {
    std::vector<std::string_view> known;
    for (const auto& row : kQuants)
      if (row.pack[0]) known.push_back(info(row.type).name);
    throw ValueError(str("cannot write float32 as ", layout.name, "; this version writes ", join(known, ", ")));
  }
  const size_t blocks = checked_blocks("pack", layout, target.size(), source.size());
  if (layout.is_quantized) check_range(layout, source);
  find_row(type)->pack[static_cast<size_t>(set)](source.data(), target.data(), blocks);
}

void dequantize(DataType type, std::span<const std::byte> source, std::span<float> target) {
  static const auto set = detail::widest_instruction_set();
  detail::dequantize_with(set, type, source, target);
}

void quantize(DataType type, std::span<const float> source, std::span<std::byte> target) {
  static const auto set = detail::widest_instruction_set();
  detail::quantize_with(set, type, source, target);
}

bool can_quantize(DataType type) {
  const auto* row = find_row(type);
  return row && row->pack[0];
}

std::vector<std::byte> quantize_tensor(std::string_view name, DataType type, std::span<const int64_t> shape,
                                       std::span<const float> values) {
  const auto elements = element_count(shape);
  if (!elements || static_cast<size_t>(*elements) != values.size())
    throw ValueError(str(quote(name), " of shape ", shape, " came with ", values.size(), " elements"));
  const auto bytes = byte_count(type, shape);
  if (!bytes)
    throw ValueError(str(quote(name), " has the shape ", shape, ": its rows are no whole ", info(type).name,
                         " blocks of ", info(type).block_elements, " elements; choose another type for it"));
  std::vector<std::byte> out(static_cast<size_t>(*bytes));
  try {
    quantize(type, values, out);
  } catch (const ValueError& error) {
    throw ValueError(str(quote(name), ": ", error.what()));
  }
  return out;
}

float half_to_float(uint16_t bits) { return detail::widen_half(bits); }
uint16_t float_to_half(float value) { return detail::narrow_to_half(value); }
uint16_t float_to_bfloat16(float value) { return detail::narrow_to_brain(value); }

}  // namespace transformers
