#include "transformers/base/size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transformers/base/error.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;

std::string refusal(const ByteSize& size) {
  try {
    return "accepted as " + std::to_string(parse_size(size));
  } catch (const ValueError& error) {
    return error.what();
  }
}

// S05
TEST(Size, IntegersAreBytes) {
  EXPECT_EQ(parse_size(int64_t{1}), 1);
  EXPECT_EQ(parse_size(int64_t{5'000'000'000}), 5'000'000'000);
}

// S05
TEST(Size, KnowsDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_size("1KB"), 1'000);
  EXPECT_EQ(parse_size("5MB"), 5'000'000);
  EXPECT_EQ(parse_size("50GB"), 50'000'000'000);
  EXPECT_EQ(parse_size("2TB"), 2'000'000'000'000);
  EXPECT_EQ(parse_size("1KiB"), 1024);
  EXPECT_EQ(parse_size("1MiB"), 1048576);
  EXPECT_EQ(parse_size("3GiB"), int64_t{3} << 30);
  EXPECT_EQ(parse_size("1TiB"), int64_t{1} << 40);
}

// S05
TEST(Size, AllowsAnyCaseBlanksAndFractions) {
  EXPECT_EQ(parse_size("1.5KB"), 1500);
  EXPECT_EQ(parse_size("0.5GiB"), int64_t{1} << 29);
  EXPECT_EQ(parse_size(" 5 mb "), 5'000'000);
  EXPECT_EQ(parse_size("5mb"), 5'000'000);
  EXPECT_EQ(parse_size("1gib"), int64_t{1} << 30);
}

// S05
TEST(Size, RefusesWhatIsNoSizeAndNamesTheUnits) {
  for (const char* text : {"5", "", "GB", "five GB", "5XB", "5 G", "5B", "5GBB", "5 GB more", "1,5GB"}) {
    EXPECT_THAT(refusal(text), HasSubstr("'" + std::string(text) + "'"));
    EXPECT_THAT(refusal(text), HasSubstr("GiB"));
  }
  EXPECT_THAT(refusal("5"), HasSubstr("no unit"));
  EXPECT_THAT(refusal("5XB"), HasSubstr("unknown unit"));
}

// S05
TEST(Size, RefusesZeroNegativeAndImpossibleSizes) {
  EXPECT_THAT(refusal(int64_t{0}), HasSubstr("not positive"));
  EXPECT_THAT(refusal(int64_t{-1}), HasSubstr("-1"));
  EXPECT_THAT(refusal("0GB"), HasSubstr("not positive"));
  EXPECT_THAT(refusal("-5GB"), HasSubstr("not positive"));
  EXPECT_THAT(refusal("0.0001KB"), HasSubstr("not positive"));
  EXPECT_THAT(refusal("nanGB"), HasSubstr("'nanGB'"));
  EXPECT_THAT(refusal("infGB"), HasSubstr("too large"));
  EXPECT_THAT(refusal("99999999999TB"), HasSubstr("too large"));
  EXPECT_THAT(refusal("1e999GB"), HasSubstr("'1e999GB'"));
}

}  // namespace
}  // namespace transformers
