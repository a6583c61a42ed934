#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/dtypes/detail/instruction_sets.h"
#include "transformers/dtypes/quants.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;

const std::string kFolder = std::string(TRANSFORMERS_TEST_DATA) + "/checkpoint/quantize/";

// Rows of 256, of tests/tools/make_checkpoint_goldens.py.
std::vector<float> golden_rows() {
  const auto text = read_text(kFolder + "rows.bin");
  std::vector<float> rows(text.size() / sizeof(float));
  std::memcpy(rows.data(), text.data(), text.size());
  return rows;
}

std::vector<std::byte> packed_with(detail::InstructionSet set, DataType type, std::span<const float> values) {
  const std::vector<int64_t> shape{static_cast<int64_t>(values.size())};
  std::vector<std::byte> out(static_cast<size_t>(byte_count(type, shape).value()));
  detail::quantize_with(set, type, values, out);
  return out;
}

std::vector<float> expanded(DataType type, std::span<const std::byte> blocks, size_t elements) {
  std::vector<float> out(elements);
  dequantize(type, blocks, out);
  return out;
}

class Quantize : public ::testing::TestWithParam<DataType> {};

std::vector<DataType> writable() {
  std::vector<DataType> types;
  for (const auto& row : data_types())
    if (row.is_quantized && can_quantize(row.type)) types.push_back(row.type);
  return types;
}

TEST_P(Quantize, GivesTheSameBytesOnEveryInstructionSet) {
  const auto rows = golden_rows();
  const auto expected = packed_with(detail::InstructionSet::Portable, GetParam(), rows);
  for (int set = 1; set <= static_cast<int>(detail::widest_instruction_set()); ++set)
    EXPECT_EQ(packed_with(static_cast<detail::InstructionSet>(set), GetParam(), rows), expected) << set;
}

TEST_P(Quantize, StaysCloseToWhatItWasGiven) {
  const auto rows = golden_rows();
  const auto found =
      expanded(GetParam(), quantize_tensor("x", GetParam(), std::vector<int64_t>{12, 256}, rows), rows.size());
  double error = 0, size = 0;
  for (size_t i = 0; i < 256; ++i) {  // the first row: normally distributed
    error += std::pow(static_cast<double>(found[i]) - rows[i], 2);
    size += std::pow(static_cast<double>(rows[i]), 2);
  }
  const double bits = 8.0 * info(GetParam()).block_bytes / info(GetParam()).block_elements;
  EXPECT_LT(std::sqrt(error / size), 2.0 * std::pow(2.0, -bits + 1)) << bits << " bits for each element";
}

TEST_P(Quantize, KeepsZeros) {
  const std::vector<float> zeros(512);
  const auto blocks = quantize_tensor("x", GetParam(), std::vector<int64_t>{2, 256}, zeros);
  for (const float value : expanded(GetParam(), blocks, 512)) EXPECT_EQ(value, 0);
}

TEST_P(Quantize, RefusesWhatABlockCannotHold) {
  for (const float bad : {NAN, INFINITY, -INFINITY, 65536.0F}) {
    std::vector<float> values(512, 0.5F);
    values[300] = bad;
    try {
      static_cast<void>(quantize_tensor("some.weight", GetParam(), std::vector<int64_t>{2, 256}, values));
      ADD_FAILURE() << "accepted " << bad;
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("'some.weight'"), HasSubstr("element 300")));
    }
  }
}

TEST_P(Quantize, NamesTheTensorWhoseRowsAreNoWholeBlocks) {
  const std::vector<float> values(480);
  try {
    static_cast<void>(quantize_tensor("some.weight", GetParam(), std::vector<int64_t>{32, 15}, values));
    ADD_FAILURE() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("'some.weight' has the shape [32, 15]"), HasSubstr("whole")));
  }
  EXPECT_THROW(static_cast<void>(quantize_tensor("x", GetParam(), std::vector<int64_t>{256}, values)), ValueError);
}

INSTANTIATE_TEST_SUITE_P(EveryType, Quantize, ::testing::ValuesIn(writable()),
                         [](const auto& case_info) { return std::string(transformers::info(case_info.param).name); });

TEST(QuantizeSimple, GivesTheBytesOfTheReference) {
  const auto rows = golden_rows();
  for (const auto type : {DataType::Q4_0, DataType::Q4_1, DataType::Q5_0, DataType::Q5_1, DataType::Q8_0}) {
    const auto expected = read_text(kFolder + std::string(info(type).name) + ".bin");
    const auto found = quantize_tensor("x", type, std::vector<int64_t>{12, 256}, rows);
    ASSERT_EQ(found.size(), expected.size());
    const auto block = static_cast<size_t>(info(type).block_bytes);
    for (size_t i = 0; i < found.size(); ++i)
      ASSERT_EQ(static_cast<unsigned char>(found[i]), static_cast<unsigned char>(expected[i]))
          << info(type).name << ", block " << i / block << ", byte " << i % block;
  }
}

TEST(QuantizeK, ErrsNoMoreThanTheReferenceInAnyRow) {
  const auto rows = golden_rows();
  const auto limits = Json::parse_file(kFolder + "errors.json");
  ASSERT_EQ(limits.size(), 5U);
  for (const auto& [name, errors] : limits.as_object()) {
    const auto type = data_type_from_name(name).value();
    const auto found = expanded(type, quantize_tensor("x", type, std::vector<int64_t>{12, 256}, rows), rows.size());
    for (size_t row = 0; row < 12; ++row) {
      double error = 0;
      for (size_t i = 256 * row; i < 256 * (row + 1); ++i)
        error += std::pow(static_cast<double>(found[i]) - static_cast<double>(rows[i]), 2);
      EXPECT_LE(error, errors.as_array()[row].as_double()) << name << ", row " << row;
    }
  }
}

TEST(QuantizePlain, NarrowsFloatsAsOneByOne) {
  const std::vector<float> values{0.1F, -65520.0F, 1e-7F, NAN, -0.0F};
  std::vector<uint16_t> found(values.size());
  quantize(DataType::F16, values, std::as_writable_bytes(std::span(found)));
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(found[i], float_to_half(values[i])) << i;
  quantize(DataType::BF16, values, std::as_writable_bytes(std::span(found)));
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(found[i], float_to_bfloat16(values[i])) << i;
  std::vector<float> copy(values.size());
  quantize(DataType::F32, values, std::as_writable_bytes(std::span(copy)));
  EXPECT_EQ(copy[0], values[0]);
  EXPECT_TRUE(std::isnan(copy[3]));
}

TEST(QuantizePlain, RefusesTypesThatAreOnlyRead) {
  std::vector<float> values(256);
  for (const auto type : {DataType::IQ4_NL, DataType::TQ1_0, DataType::MXFP4, DataType::I32, DataType::F64}) {
    EXPECT_FALSE(can_quantize(type));
    try {
      static_cast<void>(quantize_tensor("x", type, std::vector<int64_t>{256}, values));
      ADD_FAILURE() << info(type).name;
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(std::string(info(type).name)), HasSubstr("q4_0")));
    }
  }
}

}  // namespace
}  // namespace transformers
