#include "transformers/checkpoint/flax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "frameworks.h"
#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {
namespace {

using testing::copy_entries;
using testing::formats_file;
using ::testing::HasSubstr;
using testing::open_hostile;
using testing::TemporaryFolder;

Json rows_of(std::string_view model) { return Json::parse_file(formats_file(str(model, "/names.json"))).at("flax"); }

class FlaxModel : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Goldens, FlaxModel, ::testing::Values("bert", "gpt2", "llama", "t5"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(FlaxModel, ReadsWhatTheReferenceSaved) {  // F07
  const auto reader = open_checkpoint(formats_file(str(GetParam(), "/flax/flax_model.msgpack")));
  EXPECT_EQ(reader->dialect(), "flax");
  testing::expect_rows(*reader, rows_of(GetParam()));
}

TEST_P(FlaxModel, ReadsItsShardsUnderTheSameNames) {  // F13, F16
  const auto reader = open_checkpoint(formats_file(str(GetParam(), "/flax_sharded/flax_model.msgpack.index.json")));
  EXPECT_EQ(reader->dialect(), "flax");
  EXPECT_GT(reader->files().size(), 1U);
  EXPECT_TRUE(reader->metadata().contains("total_size"));
  testing::expect_rows(*reader, rows_of(GetParam()), false);
}

TEST_P(FlaxModel, WritesTheBytesThatFlaxWrites) {  // F07
  const TemporaryFolder temporary;
  const auto folder = testing::written_files(temporary.path());
  const auto golden = formats_file(str(GetParam(), "/flax/flax_model.msgpack"));
  const auto reader = open_checkpoint(golden);
  const auto written = folder / str(GetParam(), ".msgpack");
  flax_format.write(written, copy_entries(*reader), reader->metadata());
  EXPECT_TRUE(read_text(written) == read_text(golden));
}

TEST(Flax, ReadsAndWritesEveryDtype) {  // F07
  const TemporaryFolder folder;
  const auto golden = formats_file("flax/dtypes.msgpack");
  const auto reader = open_checkpoint(golden);
  testing::expect_rows(*reader, Json::parse_file(formats_file("flax/names.json")));
  write_flax(folder.path() / "x.msgpack", copy_entries(*reader));
  EXPECT_TRUE(read_text(folder.path() / "x.msgpack") == read_text(golden));
}

TEST(Flax, JoinsArraysInPiecesAndCutsThem) {  // F07
  const TemporaryFolder folder;
  const auto golden = formats_file("flax/pieces_of_64.msgpack");
  const auto reader = open_checkpoint(golden);
  const auto* large = reader->find("m.large");
  ASSERT_TRUE(large);
  EXPECT_EQ(large->shape, (std::vector<int64_t>{7, 9}));
  EXPECT_EQ(large->offset, 0U);
  const auto data = reader->bytes(*large);
  for (size_t i = 0; i < 63; ++i) {
    float value = 0;
    std::memcpy(&value, data.bytes.data() + 4 * i, 4);
    EXPECT_EQ(value, static_cast<float>(i * 7 % 101) - 50) << i;
  }
  EXPECT_GT(reader->find("m.small")->offset, 0U);
  write_flax(folder.path() / "x.msgpack", copy_entries(*reader), 64);
  EXPECT_TRUE(read_text(folder.path() / "x.msgpack") == read_text(golden));
}

TEST(Flax, MapsWhatLiesInOneRun) {
  const auto file = formats_file("bert/flax/flax_model.msgpack");
  const auto reader = open_checkpoint(file);
  const auto content = read_text(file);
  for (const auto& entry : reader->entries()) {
    ASSERT_GT(entry.offset, 0U);
    EXPECT_EQ(std::memcmp(content.data() + entry.offset, reader->bytes(entry).bytes.data(), entry.size_bytes), 0);
  }
}

TEST(Flax, KeepsOtherLeavesAsMetadataAndEscapesKeys) {
  const auto reader = open_checkpoint(formats_file("flax/other_leaves.msgpack"));
  ASSERT_EQ(reader->entries().size(), 2U);
  EXPECT_EQ(reader->entries()[0].name, "w");
  EXPECT_TRUE(reader->entries()[0].shape.empty());
  EXPECT_EQ(reader->entries()[1].name, "a%2Eb.c%25d");
  const auto& metadata = reader->metadata();
  EXPECT_EQ(metadata.at("step").as_int(), 7);
  EXPECT_EQ(metadata.at("big").as_int(), int64_t{1} << 40);
  EXPECT_EQ(metadata.at("minus").as_int(), -3);
  EXPECT_EQ(metadata.at("rate").as_double(), 0.5);
  EXPECT_TRUE(metadata.at("on").as_bool());
  EXPECT_TRUE(metadata.at("none").is_null());
  EXPECT_EQ(metadata.at("text").as_string(), "abc");
  EXPECT_EQ(metadata.at("complex").dump(), "[1.0,2.0]");
}

std::string tensor(std::string_view shape, std::string_view dtype, std::string_view data) {
  std::string inside =
      str("\x93", shape, static_cast<char>(0xa0 + dtype.size()), dtype, "\xc4", static_cast<char>(data.size()), data);
  return str("\xc7", static_cast<char>(inside.size()), "\x01", inside);
}

void expect_refused(std::string_view content, std::string_view reason) {
  const TemporaryFolder folder;
  const auto outcome = open_hostile(folder.write("flax_model.msgpack", content));
  EXPECT_TRUE(outcome.was_refused) << reason;
  EXPECT_THAT(outcome.reason, HasSubstr(std::string(reason)));
}

TEST(Flax, RefusesWhatIsNoTreeOfArrays) {  // F07, P70
  using namespace std::string_view_literals;
  expect_refused("\x93\x01\x02\x03", "expected a map");
  expect_refused("\x81\x01\x02", "expected text");
  expect_refused("\x81\xa1x\x92\x01\x02", "is a list");
  expect_refused("\x81\xa1x\xc1", "code 193");
  expect_refused("\x81\xa1x\xd4\x07z", "extension of type 7");
  expect_refused("\x81\xa1\xff\x01", "UTF-8");
  expect_refused("\x82\xa1x\x01\xa1x\x02", "twice");
  expect_refused("\x80z", "after the tree");
  expect_refused("\x81\xa1x\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "above 2^63");
  expect_refused("<?xml version", "expected a map");
  expect_refused(str("\x81\xa1x", tensor("\x91\x02", "float32", "abcd")), "takes 8");
  expect_refused(str("\x81\xa1x", tensor("\x91\xff", "float32", "abcd")), "dimension of -1");
  expect_refused(str("\x81\xa1x", tensor("\x91\x01", "float31", "abcd")), "unknown dtype 'float31'");
  expect_refused(str("\x81\xa1x", tensor("\x91\x01", "q4_0", "abcd")), "unknown dtype");
  expect_refused(str("\x81\xa1x", tensor("\x92\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\x04", "float32", "abcd")),
                 "impossible shape");
  expect_refused(str("\x81\xa1x", tensor("\x93\x00\xcf\x40\x00\x00\x00\x00\x00\x00\x00\x04"sv, "int64", "")),
                 "impossible");
}

TEST(Flax, RefusesCountsAndDepthsThatTheFileCannotHold) {
  expect_refused("\xdf\xff\xff\xff\xff\xa1x\x01", "more than fit");
  expect_refused("\x81\xdb\xff\xff\xff\xffx", "4294967295 bytes");
  expect_refused("\x81\xa1x\xc9\xff\xff\xff\xff\x01\x93", "cut short");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "\x81\xa1x";
  expect_refused(deep, "nests more than 128");
  std::string square = str("\x81\xda\x40\x00", std::string_view());  // one long key before many short ones
  square.insert(square.size(), 1, '\0');
  square = std::string("\x81\xda\x40\x00", 4) + std::string(0x4000, 'k') + std::string("\xde\x40\x00", 3);
  for (int i = 0; i < 0x4000; ++i)
    square += str("\xa4", "abcdefghijklmnop"[i & 15], "abcdefghijklmnop"[i >> 4 & 15], "abcdefghijklmnop"[i >> 8 & 15],
                  "abcdefghijklmnop"[i >> 12], "\x01");
  expect_refused(square, "eight times the file");
}

TEST(Flax, StaysHarmlessHoweverTheFileIsChanged) {
  testing::expect_no_harm(read_text(formats_file("flax/pieces_of_64.msgpack")), "x.msgpack", 7);
  testing::expect_no_harm(read_text(formats_file("flax/other_leaves.msgpack")), "x.msgpack", 2);
}

CheckpointWriteEntry byte_entry(std::string name) {
  return {.name = std::move(name), .dtype = DataType::U8, .shape = {1}, .bytes = [] {
            static constexpr std::byte kByte{7};
            return SharedBytes{.bytes = {&kByte, 1}};
          }};
}

TEST(FlaxWriter, KeepsTheOldFileWhenItRefuses) {
  const TemporaryFolder folder;
  const auto file = folder.write("flax_model.msgpack", "old");
  const auto refuses = [&](std::vector<CheckpointWriteEntry> entries) {
    EXPECT_THROW(write_flax(file, entries), ValueError);
    EXPECT_EQ(read_text(file), "old");
  };
  refuses({byte_entry("a"), byte_entry("a")});
  refuses({byte_entry("a"), byte_entry("a.b")});
  refuses({byte_entry("a.b"), byte_entry("a")});
  refuses({byte_entry("\xff")});
  refuses({byte_entry("a.__msgpack_chunked_array__")});
  auto quantised = byte_entry("q");
  quantised.dtype = DataType::Q4_0;
  refuses({quantised});
  auto wrong = byte_entry("w");
  wrong.shape = {2};
  refuses({byte_entry("a"), wrong});
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "no temporary file is left";
}

TEST(FlaxWriter, KeysWithDotsSurvive) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "x.msgpack";
  const auto reader = open_checkpoint(formats_file("flax/other_leaves.msgpack"));
  write_flax(file, copy_entries(*reader));
  const auto again = open_checkpoint(file);
  ASSERT_EQ(again->entries().size(), 2U);
  EXPECT_EQ(again->entries()[1].name, "a%2Eb.c%25d");
  EXPECT_THAT(read_text(file), HasSubstr("\xa3"
                                         "a.b"));
}

}  // namespace
}  // namespace transformers
