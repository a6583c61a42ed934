#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/gguf.h"

namespace transformers {
namespace {

using testing::copy_entries;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

// GGUF has no unsigned bytes.
CheckpointWriteEntry make_entry(std::string name, std::string_view text, DataType dtype = DataType::I8) {
  return testing::make_entry(std::move(name), text, dtype);
}

std::string bytes_of(const CheckpointReader& reader, const CheckpointEntry& entry) {
  const auto data = reader.bytes(entry);
  return {reinterpret_cast<const char*>(data.bytes.data()), data.bytes.size()};
}

void expect_equal(const CheckpointReader& a, const CheckpointReader& b) {
  ASSERT_EQ(a.entries().size(), b.entries().size());
  for (size_t i = 0; i < a.entries().size(); ++i) {
    const auto &x = a.entries()[i], &y = b.entries()[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.dtype, y.dtype) << x.name;
    EXPECT_EQ(x.shape, y.shape) << x.name;
    EXPECT_EQ(bytes_of(a, x), bytes_of(b, y)) << x.name;
  }
}

TEST(GgufWriter, ReadsBackWhatTheReferenceWrote) {
  const TemporaryFolder folder;
  const auto reader = open_checkpoint(testing::data_file("reference/small.gguf"));
  const auto file = folder.path() / "model.gguf";
  write_gguf(file, copy_entries(*reader), reader->metadata());
  const auto written = open_checkpoint(file);
  expect_equal(*reader, *written);
  Json expected = reader->metadata();
  expected["t.float64"] = static_cast<double>(1e-5F);  // the only value that float32 rounds
  EXPECT_EQ(written->metadata(), expected);
}

TEST(GgufWriter, WritesTheBytesOfTheReferenceForItsOwnFiles) {
  const TemporaryFolder folder;
  const auto data = std::filesystem::path(TRANSFORMERS_TEST_DATA) / "gguf";
  for (const char* name : {"llama_f16.gguf", "llama_k.gguf", "qwen2.gguf", "gpt2.gguf", "t5.gguf"}) {
    const auto reader = open_checkpoint(data / name);
    const auto file = folder.path() / "model.gguf";
    gguf_format.write(file, copy_entries(*reader), reader->metadata());
    const auto found = read_text(file), expected = read_text(data / name);
    EXPECT_TRUE(found == expected) << name << ": " << found.size() << " bytes, expected " << expected.size();
  }
}

TEST(GgufWriter, KeepsEveryDataTypeOfGguf) {
  const TemporaryFolder folder;
  std::vector<CheckpointWriteEntry> entries;
  for (const auto& type : data_types())
    if (type.gguf >= 0)
      entries.push_back(
          make_entry(str("t.", type.name), std::string(3 * static_cast<size_t>(type.block_bytes), 'x'), type.type));
  entries.push_back({.name = "scalar", .dtype = DataType::I8, .shape = {}, .bytes = make_entry("", "a").bytes});
  entries.push_back({.name = "empty", .dtype = DataType::F32, .shape = {0, 4}});
  const auto file = folder.path() / "model.gguf";
  write_gguf(file, entries);
  const auto reader = open_checkpoint(file);
  ASSERT_EQ(reader->entries().size(), entries.size());
  for (const auto& entry : entries) {
    const auto* found = reader->find(entry.name);
    ASSERT_TRUE(found) << entry.name;
    EXPECT_EQ(found->dtype, entry.dtype) << entry.name;
    EXPECT_EQ(found->shape, entry.shape) << entry.name;
    EXPECT_EQ(found->offset % 32, 0U) << entry.name;
  }
}

TEST(GgufWriter, HonoursTheAlignment) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "model.gguf";
  const std::vector entries{make_entry("a", "x"), make_entry("b", "y")};
  for (const int64_t alignment : {1, 8, 4096}) {
    const Json metadata(Json::Object{{"general.alignment", alignment}});
    write_gguf(file, entries, metadata);
    const auto reader = open_checkpoint(file);
    EXPECT_EQ(reader->find("b")->offset - reader->find("a")->offset, static_cast<uint64_t>(alignment));
    EXPECT_EQ(reader->metadata(), metadata);
  }
}

TEST(GgufWriter, ChoosesTheTypeOfEachValue) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "model.gguf";
  const std::pair<Json, int> cases[] = {
      {0, 4},
      {int64_t{4294967295}, 4},
      {-1, 5},
      {int64_t{4294967296}, 10},
      {int64_t{-2147483649}, 11},
      {0.5, 6},
      {1e300, 12},
      {INFINITY, 6},
      {true, 7},
      {"text", 8},
      {Json::Array{1, 2}, 9},
  };
  for (const auto& [value, type] : cases) {
    write_gguf(file, {}, Json(Json::Object{{"k", value}}));
    EXPECT_EQ(read_gguf_metadata(file).at("k"), value);
    EXPECT_EQ(read_text(file).at(24 + 8 + 1), type) << value.dump();  // after the header and the key
  }
  const std::pair<Json::Array, int> lists[] = {
      {{}, 5},
      {{1, -2}, 5},
      {{int64_t{4294967295}}, 4},
      {{-1, int64_t{4294967295}}, 11},
      {{0.5, 1.0}, 6},
      {{1e300}, 12},
      {{true, false}, 7},
      {{"a", "\xff", ""}, 8},
      {{Json::Array{1}, Json::Array{"x"}}, 9},
  };
  for (const auto& [value, type] : lists) {
    write_gguf(file, {}, Json(Json::Object{{"k", value}}));
    EXPECT_EQ(read_gguf_metadata(file).at("k"), Json(value));
    EXPECT_EQ(read_text(file).at(24 + 8 + 1 + 4), type) << Json(value).dump();
  }
  write_gguf(file, {}, Json(Json::Object{{"llama.rope.freq_base", 10000}, {"tokenizer.ggml.merges", Json::list()}}));
  EXPECT_EQ(read_gguf_metadata(file).at("llama.rope.freq_base"), Json(10000.0)) << "of a fixed type";
  write_gguf(file, {}, Json(Json::Object{{"k", Json::Array{1, 0.5}}}));
  EXPECT_EQ(read_gguf_metadata(file).at("k"), Json(Json::Array{1.0, 0.5})) << "one type for all elements";
}

TEST(GgufWriter, AsksForOneTensorAtATime) {
  const TemporaryFolder folder;
  testing::expect_one_tensor_at_a_time(
      [&](std::span<const CheckpointWriteEntry> entries) { write_gguf(folder.path() / "model.gguf", entries); });
}

TEST(GgufWriter, ReplacesTheFileThatItReadsFrom) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "model.gguf";
  std::filesystem::copy_file(testing::data_file("reference/small.gguf"), file);
  const auto reader = open_checkpoint(file);
  write_gguf(file, copy_entries(*reader), reader->metadata());
  expect_equal(*reader, *open_checkpoint(file));
}

TEST(GgufWriter, RefusesWhatTheFormatCannotHoldAndKeepsTheOldFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("model.gguf", "old");
  const auto refusal = [&](std::vector<CheckpointWriteEntry> entries,
                           const Json::Object& metadata = {}) -> std::string {
    try {
      write_gguf(file, entries, Json(metadata));
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr(file.native()));
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal({make_entry("a", "x", DataType::U8)}), HasSubstr("GGUF cannot hold uint8"));
  EXPECT_THAT(refusal({{.name = "a", .dtype = DataType::Q4_0, .shape = {4, 16}}}), HasSubstr("blocks of 32"));
  EXPECT_THAT(refusal({{.name = "a", .shape = {-1}}}), HasSubstr("[-1]"));
  EXPECT_THAT(refusal({{.name = "a", .shape = {1, 1, 1, 1, 1}}}), HasSubstr("5 dimensions"));
  EXPECT_THAT(refusal({make_entry("a", "x"), make_entry("a", "y")}), HasSubstr("the name is taken"));
  EXPECT_THAT(refusal({make_entry(std::string(64, 'a'), "x")}), HasSubstr("63 bytes"));
  EXPECT_THAT(refusal({make_entry("\xff", "x")}), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal({make_entry("", "x")}), HasSubstr("63 bytes"));
  EXPECT_THAT(refusal({}, {{"k", Json()}}), HasSubstr("it is a null"));
  EXPECT_THAT(refusal({}, {{"k", Json::object()}}), HasSubstr("it is a object"));
  EXPECT_THAT(refusal({}, {{"k", Json::Array{1, "x"}}}), HasSubstr("several types"));
  EXPECT_THAT(refusal({}, {{"k", 1}, {"k", 2}}), HasSubstr("given twice"));
  EXPECT_THAT(refusal({}, {{"\xff", 1}}), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal({}, {{"general.alignment", 24}}), HasSubstr("power of two"));
  EXPECT_THAT(refusal({}, {{"tokenizer.ggml.tokens", Json::Array{1}}}), HasSubstr("expected a string"));
  EXPECT_THAT(refusal({}, {{"split.count", 65536}}), HasSubstr("0 to 65535"));
  Json nested = Json::list();
  for (int i = 0; i < 4; ++i) nested = Json(Json::Array{nested});
  EXPECT_THAT(refusal({}, {{"k", nested}}), HasSubstr("deeper than 4"));
  auto short_entry = make_entry("a", "xyz");
  short_entry.shape = {4};
  EXPECT_THAT(refusal({make_entry("0", "x"), short_entry}), HasSubstr("came with 3 bytes"));
  EXPECT_EQ(read_text(file), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "no temporary file is left";
}

}  // namespace
}  // namespace transformers
