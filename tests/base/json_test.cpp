#include "transformers/base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/files.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;

std::string parse_failure(std::string_view text) {
  try {
    return "parsed as " + Json::parse(text, "config.json").dump();
  } catch (const OSError& error) {
    return error.what();
  }
}

// C03
TEST(Json, RoundTripsOrderNumbersAndUnicode) {
  const std::string text = R"({"z":1,"a":1.0,"é":"😀\n\"\\","list":[null,true,false,-3,[],{}],"tiny":1e-05})";
  EXPECT_EQ(Json::parse(text).dump(), text);
}

// C03
TEST(Json, TellsIntegersFromFloats) {
  const auto json = Json::parse(R"([1, 1.0, -9223372036854775808, 9223372036854775807, 18446744073709551615])");
  const auto& list = json.as_array();
  EXPECT_TRUE(list[0].is_int());
  EXPECT_TRUE(list[1].is_double());
  EXPECT_EQ(list[2].as_int(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(list[3].as_int(), std::numeric_limits<int64_t>::max());
  EXPECT_TRUE(list[4].is_double());
  EXPECT_EQ(list[0].as_double(), 1.0);
  EXPECT_FALSE(list[0] == list[1]);
}

TEST(Json, ReadsIntegersBeyond64BitsAsFloats) {
  const auto json = Json::parse(R"({"model_max_length": 1000000000000000019884624838656, "least": -9223372036854775808,
                                    "below": -9223372036854775809, "most": 18446744073709551616, "text": "1\"00000000000000000000",
                                    "fraction": 1.00000000000000000000, "power": 1e-00000000000000000001, "int": 9223372036854775807})");
  EXPECT_EQ(json.at("model_max_length"), Json(1e30));
  EXPECT_EQ(json.at("least"), Json(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ(json.at("below"), Json(-9223372036854775808.0));
  EXPECT_EQ(json.at("most"), Json(18446744073709551616.0));
  EXPECT_EQ(json.at("text"), Json("1\"00000000000000000000"));
  EXPECT_EQ(json.at("fraction"), Json(1.0));
  EXPECT_EQ(json.at("power"), Json(0.1));
  EXPECT_EQ(json.at("int"), Json(std::numeric_limits<int64_t>::max()));
  EXPECT_THROW(static_cast<void>(Json::parse("100000000000000000000x")), OSError);
  EXPECT_EQ(Json::parse("100000000000000000000"), Json(1e20));
}

TEST(Json, AccessNamesTheTypeFound) {
  const auto json = Json::parse(R"({"n": "text"})");
  try {
    (void)json.get("n", 1);
    FAIL() << "text was taken for a number";
  } catch (const TypeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'n'"));
    EXPECT_THAT(error.what(), HasSubstr("string"));
  }
  EXPECT_THROW((void)json.at("m"), KeyError);
  EXPECT_THROW((void)json.as_array(), TypeError);
  EXPECT_THROW((void)Json(1.5).as_int(), TypeError);
}

TEST(Json, GetFallsBackOnAbsentAndNull) {
  const auto json = Json::parse(R"({"a": null, "b": 2, "c": "x", "d": true})");
  EXPECT_EQ(json.get("a", 7), 7);
  EXPECT_EQ(json.get("zz", 0.5), 0.5);
  EXPECT_EQ(json.get("b", 0), 2);
  EXPECT_EQ(json.get("b", 0.0), 2.0);
  EXPECT_EQ(json.get("c", ""), "x");
  EXPECT_TRUE(json.get("d", false));
}

Json loaded() {
  return Json::parse(R"({"list":["long enough to lie on the heap, whatever the library"],"x":{"y":"z"}})");
}

TEST(Json, WhatComesOutOfATemporaryStandsAlone) {
  static_assert(std::is_same_v<decltype(Json().as_string()), std::string>);
  static_assert(std::is_same_v<decltype(Json().as_array()), Json::Array>);
  static_assert(std::is_same_v<decltype(Json().as_object()), Json::Object>);
  static_assert(std::is_same_v<decltype(Json().at("a")), Json>);
  static_assert(std::is_same_v<decltype(std::declval<const Json&>().as_string()), const std::string&>);
  size_t count = 0;
  for (const auto& item : loaded().at("list").as_array()) count += item.as_string().size();
  for (const auto& [key, value] : loaded().as_object()) count += key.size() + value.size();
  EXPECT_EQ(count, 59u);
  const auto& inner = loaded().at("x").at("y").as_string();
  EXPECT_EQ(inner, "z");
  EXPECT_THROW((void)loaded().at("q"), KeyError);
  EXPECT_THROW((void)loaded().as_array(), TypeError);
}

TEST(Json, CopiesAreDeepAndAMovedOneIsNull) {
  Json a = loaded();
  Json b = a;
  b["x"]["y"] = 1;
  EXPECT_EQ(a.at("x").at("y"), Json("z"));
  Json c = std::move(b);
  EXPECT_TRUE(b.is_null());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(c.at("x").at("y"), Json(1));
  c = c.at("x");  // a part takes the place of the whole
  EXPECT_EQ(c.dump(), R"({"y":1})");
  c = static_cast<const Json&>(c);
  EXPECT_EQ(c.dump(), R"({"y":1})");
  static_assert(sizeof(Json) == 16, "metadata has lists of millions of numbers");
}

TEST(Json, ObjectsAreEditedInPlace) {
  Json json;
  json["b"] = 1;
  json["a"] = "x";
  json["b"] = 2;
  EXPECT_EQ(json.dump(), R"({"b":2,"a":"x"})");
  EXPECT_TRUE(json.erase("b"));
  EXPECT_FALSE(json.erase("b"));
  EXPECT_EQ(json.size(), 1u);
  Json list;
  list.push_back(1);
  list.push_back(Json::object());
  EXPECT_EQ(list.dump(), "[1,{}]");
}

TEST(Json, EqualityIgnoresTheOrderOfKeys) {
  EXPECT_EQ(Json::parse(R"({"a":1,"b":[1,2]})"), Json::parse(R"({"b":[1,2],"a":1})"));
  EXPECT_FALSE(Json::parse("[1,2]") == Json::parse("[2,1]"));
  EXPECT_FALSE(Json::parse(R"({"a":1})") == Json::parse(R"({"a":1,"b":1})"));
}

// Expected texts: json.dumps of Python with indent=2, sort_keys=True; with ensure_ascii; and its default separators.
TEST(Json, DumpsAsPythonDoes) {
  const auto json = Json::parse(R"({"b":[1,{"x":[]}],"a":"é😀","c":{}})");
  EXPECT_EQ(json.dump({.indent = 2, .sort_keys = true}),
            "{\n  \"a\": \"é😀\",\n  \"b\": [\n    1,\n    {\n      \"x\": []\n    }\n  ],\n  \"c\": {}\n}");
  EXPECT_EQ(json.dump({.ensure_ascii = true}), R"({"b":[1,{"x":[]}],"a":"\u00e9\ud83d\ude00","c":{}})");
  EXPECT_EQ(json.dump({.python_spacing = true}), R"({"b": [1, {"x": []}], "a": "é😀", "c": {}})");
  EXPECT_EQ(Json(std::string("\x01\x1f\b\f\t\x7f", 6)).dump(), "\"\\u0001\\u001f\\b\\f\\t\x7f\"");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "Infinity");
  EXPECT_EQ(Json(std::nan("")).dump(), "NaN");
}

TEST(Json, RefusesWhatIsNotJsonAndNamesTheSource) {
  for (const char* text : {"", " \n", "{", "[1,]", "{\"a\":}", "{'a':1}", "nul", "01", "1 2", "\"\\x\"", "[\"\xff\"]",
                           "\"\\ud800\"", "1e999", "// comment\n1", "\xEF\xBB\xBF"})
    EXPECT_THAT(parse_failure(text), ::testing::StartsWith("config.json: ")) << text;
}

TEST(Json, AcceptsAByteOrderMark) { EXPECT_EQ(Json::parse("\xEF\xBB\xBF[1]").dump(), "[1]"); }

TEST(Json, RefusesDeepNestingAtOnce) {
  EXPECT_THAT(parse_failure(std::string(1'000'000, '[')), HasSubstr("config.json: "));
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(Json::parse(nested(500)).dump(), nested(500));
  EXPECT_THAT(parse_failure(nested(600)), HasSubstr("512"));
}

TEST(Json, FilesAreMeasuredBeforeTheyAreRead) {
  const auto file = std::filesystem::path(::testing::TempDir()) / "json_test_large.json";
  write_text_atomic(file, R"({"a": [1, 2, 3]})");
  EXPECT_EQ(Json::parse_file(file).at("a").size(), 3u);
  EXPECT_THROW((void)Json::parse_file(file, 10), OSError);
  std::filesystem::remove(file);
  EXPECT_THROW((void)Json::parse_file(file), FileNotFoundError);
}

}  // namespace
}  // namespace transformers
