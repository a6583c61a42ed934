#include "transformers/placement/materialize.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <stdexcept>

#include "transformers/base/error.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/dtypes/quants.h"
#include "transformers/nn/dtypes.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct MaterializeTest : ::testing::Test {
  MaterializeTest() {
    std::string name = (fs::temp_directory_path() / "placement-XXXXXX").native();
    if (!::mkdtemp(name.data())) throw OSError("no folder for the test");
    folder = name;
  }
  ~MaterializeTest() override {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  /// A checkpoint with one tensor `x`.
  std::unique_ptr<CheckpointReader> saved(const at::Tensor& x) const {
    const auto bytes = std::as_bytes(std::span(static_cast<const char*>(x.const_data_ptr()), x.nbytes()));
    const CheckpointWriteEntry entry{
        .name = "x", .dtype = to_data_type(x.scalar_type()), .shape = x.sizes().vec(), .bytes = [bytes] {
          return SharedBytes{.bytes = bytes};
        }};
    write_safetensors(folder / "model.safetensors", {&entry, 1});
    return open_checkpoint(folder / "model.safetensors");
  }
  fs::path folder;
};

at::Tensor load(const CheckpointReader& reader, at::ScalarType dtype, Op op = Op::Rename, int64_t heads = 0) {
  return materialize(reader, *reader.find("x"), op, heads, dtype);
}

TEST_F(MaterializeTest, ViewsTheMappedFileWhereNothingChanges) {  // L01
  const auto x = at::arange(12, at::kFloat).view({3, 4});
  auto reader = saved(x);
  const auto mapped = reader->bytes(*reader->find("x"));
  auto tensor = load(*reader, at::kFloat);
  EXPECT_EQ(tensor.const_data_ptr(), static_cast<const void*>(mapped.bytes.data()));
  EXPECT_TRUE(tensor.equal(x));
  EXPECT_EQ(mapped.bytes.size(), tensor.nbytes());
  reader.reset();
  EXPECT_TRUE(tensor.equal(x)) << "the tensor keeps the mapping alive";
}

TEST_F(MaterializeTest, NeverChangesTheFileWhenTheTensorIsWritten) {
  const auto x = at::arange(12, at::kFloat);
  const auto reader = saved(x);
  const auto before = read_text(folder / "model.safetensors");
  auto tensor = load(*reader, at::kFloat);
  tensor.fill_(-1);
  EXPECT_TRUE(tensor.equal(at::full({12}, -1.0)));
  EXPECT_EQ(read_text(folder / "model.safetensors"), before);
  EXPECT_TRUE(load(*open_checkpoint(folder / "model.safetensors"), at::kFloat).equal(x));
}

TEST_F(MaterializeTest, CastsFloatingTypesAndNoOthers) {  // D02
  const auto x = at::arange(6, at::kFloat) / 4;
  EXPECT_TRUE(load(*saved(x), at::kHalf).equal(x.to(at::kHalf)));
  EXPECT_TRUE(load(*saved(x.to(at::kBFloat16)), at::kFloat).equal(x.to(at::kBFloat16).to(at::kFloat)));
  const auto ids = at::arange(6, at::kLong);
  EXPECT_TRUE(load(*saved(ids), at::kHalf).equal(ids));
}

TEST_F(MaterializeTest, LoadsTensorsWithoutElementsAndScalars) {
  EXPECT_EQ(load(*saved(at::full({0, 3}, 1.0)), at::kFloat).sizes(), (std::vector<int64_t>{0, 3}));
  EXPECT_TRUE(load(*saved(at::full({}, 7.0)), at::kFloat).equal(at::full({}, 7.0)));
}

TEST_F(MaterializeTest, TransposesIntoItsOwnMemory) {
  const auto x = at::arange(6, at::kFloat).view({2, 3});
  const auto tensor = load(*saved(x), at::kFloat, Op::Transpose);
  EXPECT_TRUE(tensor.equal(x.t()));
  EXPECT_TRUE(tensor.is_contiguous());
}

TEST_F(MaterializeTest, SortsPairsOfRowsIntoHalves) {
  const auto x = at::arange(8, at::kFloat).view({8, 1});
  const auto rows = load(*saved(x), at::kFloat, Op::PermuteRope, 2).flatten();
  const std::vector<float> expected = {0, 2, 1, 3, 4, 6, 5, 7};
  for (int64_t i = 0; i < 8; ++i) EXPECT_EQ(rows[i].item<float>(), expected[static_cast<size_t>(i)]) << i;
  const auto bias = at::arange(4, at::kFloat);
  EXPECT_EQ(load(*saved(bias), at::kFloat, Op::PermuteRope, 1)[1].item<float>(), 2);
}

TEST_F(MaterializeTest, RefusesHeadsThatDoNotDivideTheRows) {
  const auto reader = saved(at::arange(12, at::kFloat).view({6, 2}));
  for (const int64_t heads : {-1, 0, 2, 4, 6}) {
    try {
      static_cast<void>(load(*reader, at::kFloat, Op::PermuteRope, heads));
      ADD_FAILURE() << heads << " heads";
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("x"), HasSubstr("6 rows"), HasSubstr("heads")));
    }
  }
  EXPECT_THROW(static_cast<void>(load(*saved(at::full({}, 1.0)), at::kFloat, Op::PermuteRope, 1)), ValueError);
}

TEST_F(MaterializeTest, ExpandsBlockQuantisedTypes) {
  const auto reader = open_checkpoint(fs::path(TRANSFORMERS_TEST_DATA) / "checkpoint" / "reference" / "small.gguf");
  int quantised = 0;
  for (const auto& entry : reader->entries()) {
    const auto tensor = materialize(*reader, entry, Op::Rename, 0, at::kFloat);
    EXPECT_EQ(tensor.sizes(), entry.shape) << entry.name;
    if (to_scalar_type(entry.dtype)) continue;
    ++quantised;
    std::vector<float> expected(static_cast<size_t>(tensor.numel()));
    dequantize(entry.dtype, reader->bytes(entry).bytes, expected);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), tensor.const_data_ptr<float>())) << entry.name;
    EXPECT_EQ(materialize(*reader, entry, Op::Rename, 0, at::kHalf).scalar_type(), at::kHalf);
  }
  EXPECT_GT(quantised, 0);
}

}  // namespace
}  // namespace transformers
