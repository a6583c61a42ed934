#include "transformers/dtypes/quants.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/dtypes/detail/instruction_sets.h"

namespace transformers {
namespace {

std::vector<DataType> expandable() {
  std::vector<DataType> types{DataType::F16, DataType::BF16};
  for (const auto& row : data_types())
    if (row.is_quantized) types.push_back(row.type);
  return types;
}

struct Golden {
  std::vector<std::byte> blocks;
  std::vector<float> expected;
};

// A file of tests/tools/make_checkpoint_goldens.py: blocks, then what the gguf package expands them to.
Golden read_golden(const DataTypeInfo& type) {
  const auto text =
      read_text(std::string(TRANSFORMERS_TEST_DATA) + "/checkpoint/quants/" + std::string(type.name) + ".bin");
  const size_t per_block =
      static_cast<size_t>(type.block_bytes) + sizeof(float) * static_cast<size_t>(type.block_elements);
  const size_t blocks = text.size() / per_block;
  Golden golden{std::vector<std::byte>(blocks * static_cast<size_t>(type.block_bytes)),
                std::vector<float>(blocks * static_cast<size_t>(type.block_elements))};
  std::memcpy(golden.blocks.data(), text.data(), golden.blocks.size());
  std::memcpy(golden.expected.data(), text.data() + golden.blocks.size(), golden.expected.size() * sizeof(float));
  return golden;
}

class Quants : public ::testing::TestWithParam<DataType> {};

TEST_P(Quants, ExpandToTheSameBitsAsTheReferenceOnEveryInstructionSet) {
  const auto golden = read_golden(info(GetParam()));
  ASSERT_FALSE(golden.expected.empty());
  for (int set = 0; set <= static_cast<int>(detail::widest_instruction_set()); ++set) {
    std::vector<float> found(golden.expected.size());
    detail::dequantize_with(static_cast<detail::InstructionSet>(set), GetParam(), golden.blocks, found);
    for (size_t i = 0; i < found.size(); ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(golden.expected[i]))
          << "set " << set << ", element " << i << ": " << found[i] << ", expected " << golden.expected[i];
  }
}

TEST_P(Quants, ExpandFromAnyAddressAndAnyNumberOfBlocks) {
  const auto& type = info(GetParam());
  const auto golden = read_golden(type);
  const auto block_bytes = static_cast<size_t>(type.block_bytes), elements = static_cast<size_t>(type.block_elements);
  for (size_t blocks = 0; blocks <= 5; ++blocks) {
    std::vector<std::byte> shifted(1 + blocks * block_bytes);  // exact, so that a sanitizer sees a read beyond the end
    if (blocks > 0) std::memcpy(shifted.data() + 1, golden.blocks.data(), blocks * block_bytes);
    std::vector<float> found(blocks * elements);
    dequantize(GetParam(), std::span<const std::byte>(shifted).subspan(1), found);
    for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], golden.expected[i]) << blocks << " blocks, " << i;
  }
}

TEST_P(Quants, RefuseSizesThatDoNotMatch) {
  const auto& type = info(GetParam());
  const auto block_bytes = static_cast<size_t>(type.block_bytes), elements = static_cast<size_t>(type.block_elements);
  std::vector<std::byte> bytes(2 * block_bytes);
  std::vector<float> target(2 * elements);
  EXPECT_THROW(dequantize(GetParam(), std::span(bytes).first(2 * block_bytes - 1), target), ValueError);
  EXPECT_THROW(dequantize(GetParam(), std::span(bytes).first(block_bytes), target), ValueError);
  EXPECT_THROW(dequantize(GetParam(), bytes, std::span(target).first(2 * elements - 1)), ValueError);
}

INSTANTIATE_TEST_SUITE_P(EveryType, Quants, ::testing::ValuesIn(expandable()),
                         [](const auto& case_info) { return std::string(transformers::info(case_info.param).name); });

TEST(Expand, CopiesFloatsAndRefusesIntegers) {
  const std::vector<float> values{1.5F, -0.0F, std::numeric_limits<float>::infinity()};
  std::vector<float> found(3);
  dequantize(DataType::F32, std::as_bytes(std::span(values)), found);
  EXPECT_EQ(found, values);
  EXPECT_THROW(dequantize(DataType::I32, std::as_bytes(std::span(values)), found), ValueError);
}

// By the definition: sign, five bits of exponent, ten of fraction.
double half_by_definition(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  if (exponent == 31) return fraction ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}

TEST(Half, EveryPatternWidensExactlyAndComesBack) {
  std::vector<uint16_t> patterns(65536);
  for (size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<uint16_t>(i);
  std::vector<float> widened(patterns.size());
  dequantize(DataType::F16, std::as_bytes(std::span(patterns)), widened);
  for (const uint16_t bits : patterns) {
    const double expected = half_by_definition(bits);
    const float found = half_to_float(bits);
    ASSERT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(widened[bits])) << bits;
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(found)) << bits;
      ASSERT_TRUE(std::isnan(half_to_float(float_to_half(found)))) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(found), expected) << bits;
      ASSERT_EQ(std::signbit(found), std::signbit(expected)) << bits;
      ASSERT_EQ(float_to_half(found), bits);
    }
  }
}

TEST(Half, RoundsTiesToEvenBetweenAllNeighbours) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const auto low = static_cast<uint16_t>(bits), high = static_cast<uint16_t>(bits + 1);
    const float middle = (half_to_float(low) + half_to_float(high)) / 2;  // exact: one bit more than a half has
    const uint16_t even = bits % 2 == 0 ? low : high;
    ASSERT_EQ(float_to_half(middle), even) << bits;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0F)), low) << bits;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e9F)), high) << bits;
    ASSERT_EQ(float_to_half(-middle), even | 0x8000U) << bits;
  }
  EXPECT_EQ(float_to_half(65519.996F), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0F), 0x7c00);
  EXPECT_EQ(float_to_half(-1e30F), 0xfc00);
  EXPECT_EQ(float_to_half(1e-30F), 0);
}

TEST(BFloat16, RoundsTiesToEvenAndKeepsNaN) {
  EXPECT_EQ(float_to_bfloat16(1.0F), 0x3f80);
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3f808000U)), 0x3f80);  // tie, even below
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3f818000U)), 0x3f82);  // tie, even above
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3f808001U)), 0x3f81);
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7f80);
  const uint16_t signalling = float_to_bfloat16(std::bit_cast<float>(0x7f800001U));
  EXPECT_TRUE(std::isnan(bfloat16_to_float(signalling)));
  for (uint32_t bits = 0; bits < 0x7f80; ++bits)
    ASSERT_EQ(float_to_bfloat16(bfloat16_to_float(static_cast<uint16_t>(bits))), bits);
}

}  // namespace
}  // namespace transformers
