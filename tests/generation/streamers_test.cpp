#include "transformers/generation/streamers.h"

#include <gmock/gmock.h>

#include "support.h"
#include "transformers/base/error.h"

namespace transformers {
namespace {

using ::testing::ElementsAre;

// Each id stands for a piece of text; a piece may be a part of a character.
std::string decode(std::span<const int64_t> tokens) {
  static const std::vector<std::string> kPieces = {"Hel", "lo", " wor", "ld", "\n", "\xE4\xBD", "\xA0", " ", "ok"};
  std::string text;
  for (const auto token : tokens) text += kPieces.at(static_cast<size_t>(token));
  return text;
}

struct Sink {
  std::vector<std::string> texts = {};
  TextStreamer streamer(bool skip_prompt = false) {
    return {decode, [this](std::string_view text) { texts.emplace_back(text); }, skip_prompt};
  }
};

void put(TextStreamer& streamer, const std::vector<int64_t>& tokens) {
  for (const auto token : tokens) streamer.put(testing::ids({{token}})[0]);
}

// X01
TEST(TextStreamer, GivesWholeWords) {
  Sink sink;
  auto streamer = sink.streamer();
  streamer.put(testing::ids({{0, 1}}));
  put(streamer, {2, 3, 7, 8});
  EXPECT_THAT(sink.texts, ElementsAre("Hello ", "world "));
  streamer.end();
  EXPECT_THAT(sink.texts, ElementsAre("Hello ", "world ", "ok"));
}

// X01
TEST(TextStreamer, GivesLinesAndCharactersWithoutSpacesAtOnce) {
  Sink sink;
  auto streamer = sink.streamer();
  put(streamer, {0, 4, 6 - 1, 6, 5, 6, 8});
  EXPECT_THAT(sink.texts, ElementsAre("Hel\n", "\xE4\xBD\xA0", "\xE4\xBD\xA0"));
  streamer.end();
  EXPECT_EQ(sink.texts.back(), "ok");
}

// X01
TEST(TextStreamer, LeavesThePromptOutOfEachRun) {
  Sink sink;
  auto streamer = sink.streamer(/*skip_prompt=*/true);
  for (int run = 0; run < 2; ++run) {
    streamer.put(testing::ids({{0, 1}}));
    put(streamer, {8});
    streamer.end();
  }
  EXPECT_THAT(sink.texts, ElementsAre("ok", "ok"));
}

// X01
TEST(TextStreamer, RefusesABatch) {
  Sink sink;
  auto streamer = sink.streamer();
  EXPECT_THROW(streamer.put(testing::ids({{0}, {1}})), ValueError);
}

}  // namespace
}  // namespace transformers
