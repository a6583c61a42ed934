#include "transformers/base/ordered_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace transformers {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using Map = OrderedMap<std::string, int>;

std::vector<Map::Item> items(const Map& map) { return {map.begin(), map.end()}; }

// C03
TEST(OrderedMap, KeepsTheOrderOfInsertion) {
  Map map{{"b", 1}, {"a", 2}};
  map.set("c", 3);
  EXPECT_THAT(items(map), ElementsAre(Pair("b", 1), Pair("a", 2), Pair("c", 3)));
}

TEST(OrderedMap, ReplacesInPlace) {
  Map map{{"b", 1}, {"a", 2}};
  map.set("b", 7);
  EXPECT_THAT(items(map), ElementsAre(Pair("b", 7), Pair("a", 2)));
}

TEST(OrderedMap, FindsAndNamesWhatIsMissing) {
  const Map map{{"b", 1}};
  ASSERT_NE(map.find("b"), nullptr);
  EXPECT_EQ(map.at("b"), 1);
  EXPECT_EQ(map.find("z"), nullptr);
  try {
    (void)map.at("z");
    FAIL() << "an absent key was found";
  } catch (const KeyError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("'z'"));
  }
}

TEST(OrderedMap, ErasesAndStillFindsTheRest) {
  Map map{{"a", 1}, {"b", 2}, {"c", 3}};
  EXPECT_TRUE(map.erase("a"));
  EXPECT_FALSE(map.erase("a"));
  EXPECT_THAT(items(map), ElementsAre(Pair("b", 2), Pair("c", 3)));
  EXPECT_EQ(map.at("c"), 3);
  map.set("a", 4);
  EXPECT_THAT(items(map), ElementsAre(Pair("b", 2), Pair("c", 3), Pair("a", 4)));
}

}  // namespace
}  // namespace transformers
