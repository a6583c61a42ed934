#include "transformers/hub/model_card.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers::hub {
namespace {

const std::vector<std::string> kTags = {"custom", "custom-bert"};

std::string extend(std::string_view card) { return extend_model_card(card, kTags); }

TEST(ModelCard, ANewOneNamesTheLibraryAndTheTags) {  // H04, P12
  const auto card = extend("");
  EXPECT_TRUE(
      card.starts_with("---\nlibrary_name: transformers\ntags:\n- custom\n- custom-bert\n---\n\n# Model card\n"))
      << card;
  EXPECT_EQ(extend(card), card) << "pushing twice changes nothing";
  EXPECT_TRUE(extend_model_card("", {}).starts_with("---\nlibrary_name: transformers\n---\n"));
}

TEST(ModelCard, EveryFormOfAListIsExtended) {  // H04
  const std::pair<std::string, std::string> cards[] = {
      {"tags:\n- a\n", "tags:\n- a\n- custom\n- custom-bert\n"},
      {"tags:\n  - a  # first\n\n  - 'it''s'\n", "tags:\n  - a  # first\n\n  - 'it''s'\n  - custom\n  - custom-bert\n"},
      {"tags:\n- \"cus\\u0074om\"\n", "tags:\n- \"cus\\u0074om\"\n- custom-bert\n"},
      {"tags:\n", "tags:\n- custom\n- custom-bert\n"},
      {"tags: # none yet\n", "tags: # none yet\n- custom\n- custom-bert\n"},
      {"tags: []\n", "tags: [custom, custom-bert]\n"},
      {"tags: [a]\n", "tags: [a, custom, custom-bert]\n"},
      {"tags: [ \"a, b\", custom ] # two\n", "tags: [ \"a, b\", custom , custom-bert] # two\n"},
      {"tags: [a,]\n", "tags: [a,custom, custom-bert]\n"},
      {"tags: [\n  a,\n  'custom-bert'\n]\n", "tags: [\n  a,\n  'custom-bert'\n, custom]\n"},
      {"tags: a\n", "tags:\n- a\n- custom\n- custom-bert\n"},
      {"tags: custom-bert # one\n", "tags:\n- custom-bert # one\n- custom\n"},
      {"tags: null\n", "tags:\n- custom\n- custom-bert\n"},
      {"tags : [x]\n", "tags : [x, custom, custom-bert]\n"},
      {"", "tags:\n- custom\n- custom-bert\n"},
      {"tags_of_mine: [x]\nlicense: mit\n", "tags_of_mine: [x]\nlicense: mit\ntags:\n- custom\n- custom-bert\n"},
  };
  for (const auto& [before, after] : cards) {
    SCOPED_TRACE(before);
    const auto around = [](const std::string& tags) { return "---\nlanguage: en\n" + tags + "---\n# Text\ntags: x\n"; };
    EXPECT_EQ(extend(around(before)), around(after));
    EXPECT_EQ(extend(around(after)), around(after)) << "once more";
  }
}

TEST(ModelCard, WhatStandsAroundIsKept) {
  EXPECT_EQ(extend("# Old card\n"),
            "---\nlibrary_name: transformers\ntags:\n- custom\n- custom-bert\n---\n# Old card\n");
  EXPECT_EQ(extend("---\r\ntags:\r\n- a\r\nx: 1\r\n---\r\nText"),
            "---\r\ntags:\r\n- a\r\n- custom\r\n- custom-bert\r\nx: 1\r\n---\r\nText");
  EXPECT_EQ(extend("\xEF\xBB\xBF---\ntags: [a]\n---\n"), "\xEF\xBB\xBF---\ntags: [a, custom, custom-bert]\n---\n");
  const std::string open = "---\nnever closed\n";
  EXPECT_TRUE(extend(open).ends_with("---\n" + open));
}

TEST(ModelCard, TagsThatYamlWouldMisreadAreQuoted) {
  const std::vector<std::string> tags = {"yes", "1.5", "a: b", "- c", "plain/tag", "zwölf", "#d"};
  EXPECT_TRUE(extend_model_card("", tags).find("- \"yes\"\n- \"1.5\"\n- \"a: b\"\n- \"- c\"\n- plain/tag\n- \"zwölf\"\n"
                                               "- \"#d\"\n") != std::string::npos);
}

TEST(ModelCard, WhatCannotBeExtendedSafelyStays) {
  for (const char* tags :
       {"tags: *anchor\n", "tags: {a: b}\n", "tags: [a\n", "tags: 'a\n", "tags: \"a\n", "tags: |\n  a\n",
        "tags: [[a]]\n", "tags: a\n  b\n", "tags:\n- a\n  b\n", "tags: [a b] c d: [\n  x\n", "tags: 'a' b\n"}) {
    const logging::Capture log;
    const auto card = str("---\n", tags, "---\n");
    if (extend(card) == card) {
      EXPECT_TRUE(log.contains("by hand", logging::Level::Warning)) << tags;
    } else {
      EXPECT_STREQ(tags, "tags: [a b] c d: [\n  x\n");  // ends where its bracket does
    }
  }
}

TEST(ModelCard, HostileCardsTakeLinearTime) {  // anchors 4.2, 34
  constexpr size_t kSize = 1 << 20;
  const auto fill = [](std::string_view piece) {
    std::string text;
    while (text.size() < kSize) text += piece;
    return text;
  };
  const logging::Capture quiet;
  for (const auto& body :
       {fill("-"), fill("\n"), fill("tags:\n"), fill("- a\n"), fill("a, "), fill("'"), fill("\"\\"), fill(" ")})
    for (const char* start : {"---\n", "---\ntags: [", "---\ntags:\n"}) {
      const auto card = str(start, body, "\n---\n");
      const auto begin = std::chrono::steady_clock::now();
      (void)extend(card);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
      EXPECT_LT(taken.count(), 30.0) << start << body.substr(0, 8);  // quadratic time would be minutes
    }
}

}  // namespace
}  // namespace transformers::hub
