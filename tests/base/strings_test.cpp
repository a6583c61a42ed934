#include "transformers/base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace transformers {
namespace {

using ::testing::ElementsAre;
using Names = std::vector<std::string>;

TEST(Strings, StrConcatenatesTextNumbersPathsAndShapes) {
  const std::vector<int64_t> shape{2, 3};
  EXPECT_EQ(str("a", 'b', 1, -2, uint64_t{18446744073709551615u}, true, 0.5), "ab1-218446744073709551615true0.5");
  EXPECT_EQ(str(std::filesystem::path("x/y"), " ", shape, " ", std::vector<int64_t>{}), "x/y [2, 3] []");
  EXPECT_EQ(str(), "");
}

TEST(Strings, SplitsAndJoins) {
  EXPECT_THAT(split("a.b..c", '.'), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(split("", '.'), ElementsAre(""));
  EXPECT_EQ(join(Names{"a", "", "c"}, ", "), "a, , c");
  EXPECT_EQ(join(Names{}, ", "), "");
}

TEST(Strings, JoinsNamesWithDots) {
  EXPECT_EQ(dotted("encoder.layer", "0"), "encoder.layer.0");
  EXPECT_EQ(dotted("", "lm_head"), "lm_head");
}

TEST(Strings, DigitsAreDecimalAndNothingElse) {
  EXPECT_TRUE(is_digits("0") && is_digits("0123456789"));
  for (const auto* text : {"", "-1", "1.", " 1", "a", "\xd9\xa1"}) EXPECT_FALSE(is_digits(text)) << text;
}

TEST(Strings, TrimsLowersAndReplaces) {
  EXPECT_EQ(trim(" \t\r\n a b \f\v"), "a b");
  EXPECT_EQ(trim(" \n "), "");
  EXPECT_EQ(to_lower_ascii("AbZ[É"), "abz[É");
  EXPECT_EQ(replace_all("aaa", "a", "aa"), "aaaaaa");
  EXPECT_EQ(replace_all("a{}b{}", "{}", ""), "ab");
  EXPECT_EQ(replace_all("", "x", "y"), "");
}

TEST(Strings, QuoteMakesHostileTextSafeToPrint) {
  EXPECT_EQ(quote("plain é"), "'plain é'");
  EXPECT_EQ(quote(std::string_view("a\0b\n\x1b[31m", 9)), "'a\\x00b\\x0a\\x1b[31m'");
  EXPECT_EQ(quote("\xff\xfe"), "'\\xff\\xfe'");
}

TEST(Strings, QuoteCutsLongTextBetweenCharacters) {
  EXPECT_EQ(quote("abcdef", 3), "'abc…'");
  const auto cut = quote("ab😀cd", 4);
  EXPECT_TRUE(is_utf8(cut));
  EXPECT_EQ(cut, "'ab…'");
  EXPECT_EQ(quote("abc", 3), "'abc'");
}

// Expected texts are Python's repr of the same numbers.
TEST(Strings, FloatReprIsPythons) {
  EXPECT_EQ(float_repr(1.0), "1.0");
  EXPECT_EQ(float_repr(-0.0), "-0.0");
  EXPECT_EQ(float_repr(0.1), "0.1");
  EXPECT_EQ(float_repr(1e-5), "1e-05");
  EXPECT_EQ(float_repr(1e-4), "0.0001");
  EXPECT_EQ(float_repr(1e-12), "1e-12");
  EXPECT_EQ(float_repr(1e15), "1000000000000000.0");
  EXPECT_EQ(float_repr(1e16), "1e+16");
  EXPECT_EQ(float_repr(1.5e300), "1.5e+300");
  EXPECT_EQ(float_repr(3.141592653589793), "3.141592653589793");
  EXPECT_EQ(float_repr(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(float_repr(std::nan("")), "nan");
}

TEST(Strings, NaturalOrderComparesRunsOfDigitsAsNumbers) {
  EXPECT_TRUE(natural_less("layer.2.bias", "layer.10.bias"));
  EXPECT_FALSE(natural_less("layer.10.bias", "layer.2.bias"));
  EXPECT_TRUE(natural_less("layer", "layer.0"));
  EXPECT_FALSE(natural_less("a1", "a1"));
  EXPECT_TRUE(natural_less("a99999999999999999998", "a99999999999999999999"));
}

TEST(Strings, NearestNamesComeBestFirst) {
  const Names known{"bert", "gpt2", "llama", "mistral", "qwen2", "qwen3"};
  EXPECT_THAT(nearest("lama", known), ElementsAre("llama"));
  EXPECT_THAT(nearest("qwen", known), ElementsAre("qwen2", "qwen3"));
  EXPECT_THAT(nearest("qwen", known, 1), ElementsAre("qwen2"));
  EXPECT_THAT(nearest("wav2vec", known), ElementsAre());
  EXPECT_THAT(nearest(std::string(1'000'000, 'x'), known), ElementsAre());
}

TEST(Strings, FoldsNumberedNamesForPeople) {
  EXPECT_THAT(fold_names(Names{"embed", "layers.0.w", "layers.0.b", "layers.1.w", "layers.2.w"}),
              ElementsAre("embed", "layers.{0…2}.w", "layers.0.b"));
  EXPECT_THAT(fold_names(Names{"l.0", "l.1", "l.5", "l.7", "l.8", "l.9"}), ElementsAre("l.{0,1,5,7…9}"));
  EXPECT_THAT(fold_names(Names{"l.3.w", "head.w"}), ElementsAre("l.3.w", "head.w"));
  EXPECT_THAT(fold_names(Names{}), ElementsAre());
}

TEST(Strings, KnowsWellFormedUtf8) {
  for (const char* good : {"", "ascii", "é", "汉", "😀", "\xEF\xBF\xBF"}) EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE6\xB1", "a\xF0\x9F\x98", "\xFF"})
    EXPECT_FALSE(is_utf8(bad)) << quote(bad);
}

TEST(Strings, BytesForPeople) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(int64_t{3} << 29), "1.5 GiB");
  EXPECT_EQ(human_bytes(int64_t{5000} << 40), "5000.0 TiB");
}

}  // namespace
}  // namespace transformers
