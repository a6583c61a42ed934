#include "transformers/mapping/ops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "transformers/base/error.h"

namespace transformers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Shape = std::vector<int64_t>;

struct Case {
  Op op, inverse;
  Shape shape, after;
  int64_t heads = 0;
};
const Case kCases[] = {
    {Op::Rename, Op::Rename, {2, 3}, {2, 3}},
    {Op::PermuteRope, Op::UnpermuteRope, {12, 5}, {12, 5}, 3},
    {Op::UnpermuteRope, Op::PermuteRope, {12, 5}, {12, 5}, 3},
    {Op::PermuteRope, Op::UnpermuteRope, {8}, {8}, 2},
    {Op::Transpose, Op::Transpose, {2, 3}, {3, 2}},
    {Op::Transpose, Op::Transpose, {67, 41}, {41, 67}},
    {Op::Transpose, Op::Transpose, {2, 3, 5}, {5, 3, 2}},
    {Op::HwioToOihw, Op::OihwToHwio, {2, 3, 4, 5}, {5, 4, 2, 3}},
    {Op::OihwToHwio, Op::HwioToOihw, {5, 4, 2, 3}, {2, 3, 4, 5}},
    {Op::Squeeze, Op::Unsqueeze, {1, 7}, {7}},
    {Op::Unsqueeze, Op::Squeeze, {7}, {1, 7}},
};

SharedBytes numbered(size_t bytes) {
  const auto out = std::make_shared<std::vector<std::byte>>(bytes);
  for (size_t i = 0; i < bytes; ++i) (*out)[i] = static_cast<std::byte>(i * 31 + i / 256);
  return {*out, out};
}

size_t count(const Shape& shape) {
  return static_cast<size_t>(std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()));
}

bool same(const SharedBytes& a, const SharedBytes& b) {
  return std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

template <class T>
std::vector<T> values(Op op, std::vector<T> in, const Shape& shape, int64_t heads = 0) {
  const auto out = apply_op(op, {std::as_bytes(std::span(in)), nullptr}, shape, sizeof(T), heads);
  std::vector<T> read(in.size());
  std::memcpy(read.data(), out.bytes.data(), out.bytes.size());
  return read;
}

TEST(Ops, EachHasAnInverseOfWhichItIsTheInverse) {
  for (const auto& c : kCases) {
    EXPECT_EQ(inverse_of(c.op), c.inverse);
    EXPECT_EQ(inverse_of(inverse_of(c.op)), c.op);
    EXPECT_EQ(shape_after(c.op, c.shape), c.after);
    EXPECT_EQ(shape_after(c.inverse, c.after), c.shape);
  }
}

// T11, F21, F22
TEST(Ops, RoundTripsAreBitIdentical) {
  for (const auto& c : kCases)
    for (const size_t width : {1, 2, 4, 8, 16}) {
      const auto data = numbered(count(c.shape) * width);
      const auto there = apply_op(c.op, data, c.shape, width, c.heads, "x");
      EXPECT_TRUE(same(undo_op(c.op, there, c.after, width, c.heads, "x"), data));
      const auto back = undo_op(c.op, data, c.after, width, c.heads, "x");
      EXPECT_TRUE(same(apply_op(c.op, back, c.shape, width, c.heads, "x"), data));
    }
}

TEST(Ops, MoveValuesWhereTheyBelong) {
  EXPECT_THAT(values<float>(Op::Transpose, {1, 2, 3, 4, 5, 6}, {2, 3}), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(values<int16_t>(Op::Transpose, {1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2}), ElementsAre(1, 5, 3, 7, 2, 6, 4, 8));
  // (height 1, width 2, in 2, out 2): value 100 h + 10 … as h, w, i, o digits
  EXPECT_THAT(values<int>(Op::HwioToOihw, {0, 1, 10, 11, 100, 101, 110, 111}, {1, 2, 2, 2}),
              ElementsAre(0, 100, 10, 110, 1, 101, 11, 111));
  EXPECT_THAT(values<int>(Op::PermuteRope, {0, 1, 2, 3, 4, 5, 6, 7}, {8}, 2), ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_THAT(values<int>(Op::PermuteRope, {0, 1, 2, 3, 4, 5, 6, 7}, {8}, 1), ElementsAre(0, 2, 4, 6, 1, 3, 5, 7));
}

TEST(Ops, LeaveTheBytesWhereNothingMoves) {
  const auto data = numbered(28);
  EXPECT_EQ(apply_op(Op::Squeeze, data, Shape{1, 7}, 4).bytes.data(), data.bytes.data());
  EXPECT_EQ(apply_op(Op::Rename, data, Shape{7}, 4).bytes.data(), data.bytes.data());
}

TEST(Ops, OnesThatDoNotFitKeepTheShapeAndRefuseTheValues) {
  EXPECT_EQ(shape_after(Op::Transpose, Shape{2}), Shape({2}));
  EXPECT_EQ(shape_after(Op::Squeeze, Shape{2, 3}), Shape({2, 3}));
  const auto refuse = [](Op op, const Shape& shape, size_t bytes, int64_t heads, const char* part) {
    try {
      static_cast<void>(apply_op(op, numbered(bytes), shape, 4, heads, "some.weight"));
      FAIL() << "accepted";
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr("'some.weight'"));
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  };
  refuse(Op::Transpose, {2}, 8, 0, "expected two or three dimensions");
  refuse(Op::HwioToOihw, {2, 2}, 16, 0, "expected four dimensions");
  refuse(Op::Squeeze, {2, 3}, 24, 0, "the first of size 1");
  refuse(Op::PermuteRope, {6, 1}, 24, 2, "do not divide into 2 heads");
  refuse(Op::PermuteRope, {6, 1}, 24, 0, "do not divide into 0 heads");
  refuse(Op::Transpose, {2, 3}, 20, 0, "has 20 bytes");
  refuse(Op::Transpose, {int64_t{1} << 40, int64_t{1} << 40}, 20, 0, "has 20 bytes");
}

TEST(Ops, TakeTensorsWithoutValues) { EXPECT_TRUE(apply_op(Op::Transpose, {}, Shape{0, 3}, 4).bytes.empty()); }

}  // namespace
}  // namespace transformers
