#include "transformers/dtypes/dtypes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace transformers {
namespace {

using Shape = std::vector<int64_t>;

TEST(DataTypes, EveryRowIsFoundAgainByEachOfItsNames) {  // S07
  for (const auto& row : data_types()) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(&info(row.type), &row);
    EXPECT_EQ(data_type_from_name(row.name), row.type);
    EXPECT_EQ(data_type_from_name("torch." + std::string(row.name)), row.type);
    if (!row.safetensors.empty()) {
      EXPECT_EQ(data_type_from_safetensors(row.safetensors), row.type);
    }
    if (row.gguf >= 0) {
      EXPECT_EQ(data_type_from_gguf(row.gguf), row.type);
    }
    if (!row.torch_storage.empty()) {
      EXPECT_EQ(data_type_from_torch_storage(row.torch_storage), row.type);
    }
    EXPECT_TRUE(!row.safetensors.empty() || row.gguf >= 0) << "no format has it";
    EXPECT_EQ(row.is_quantized, row.block_elements > 1);
  }
}

TEST(DataTypes, UnknownNamesAndNumbersAreAbsent) {
  for (const char* name : {"", "torch.", "F32", "float", "FLOAT32"}) EXPECT_FALSE(data_type_from_name(name)) << name;
  for (const char* code : {"", "f32", "F4", "Q4_0"}) EXPECT_FALSE(data_type_from_safetensors(code)) << code;
  for (const char* name : {"", "Float", "floatstorage"}) EXPECT_FALSE(data_type_from_torch_storage(name)) << name;
  for (const int64_t number : {-1L, 4L, 5L, 9L, 15L, 31L, 40L, 1L << 32}) EXPECT_FALSE(data_type_from_gguf(number));
}

TEST(DataTypes, CountsElementsWithoutOverflow) {
  EXPECT_EQ(element_count(Shape{}), 1);
  EXPECT_EQ(element_count(Shape{2, 3, 4}), 24);
  EXPECT_EQ(element_count(Shape{5, 0}), 0);
  EXPECT_FALSE(element_count(Shape{-1}));
  EXPECT_FALSE(element_count(Shape{(1LL << 42) + 1, 1 << 22}));
  EXPECT_FALSE(element_count(Shape{1LL << 62, 4}));
  EXPECT_FALSE(element_count(Shape{0, 1LL << 62, 1LL << 62})) << "a zero must not hide strides that wrap";
}

TEST(DataTypes, CountsBytesOfWholeBlocksOnly) {
  EXPECT_EQ(byte_count(DataType::F32, Shape{}), 4);
  EXPECT_EQ(byte_count(DataType::C64, Shape{3}), 24);
  EXPECT_FALSE(byte_count(DataType::F64, Shape{1LL << 61}));
  EXPECT_FALSE(byte_count(DataType::Q4_0, Shape{}));
  for (const auto& row : data_types()) {
    for (int64_t last = 16; last <= 512; last += 16) {
      const auto bytes = byte_count(row.type, Shape{3, last});
      if (last % row.block_elements == 0) {
        EXPECT_EQ(bytes, 3 * last / row.block_elements * row.block_bytes) << row.name << ' ' << last;
      } else {
        EXPECT_FALSE(bytes) << row.name << ' ' << last << ": rows must not share a block";
      }
    }
  }
}

}  // namespace
}  // namespace transformers
