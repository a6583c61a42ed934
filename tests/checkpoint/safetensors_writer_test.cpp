#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;
using testing::make_entry;
using testing::reversed_entries;
using testing::TemporaryFolder;

TEST(SafetensorsWriter, WritesTheBytesOfTheReference) {  // S07
  const TemporaryFolder folder;
  const auto file = folder.path() / "model.safetensors";
  for (const char* name : {"all_dtypes", "no_metadata", "no_tensors"}) {
    const auto original = testing::data_file(str("reference/", name, ".safetensors"));
    const auto reader = open_checkpoint(original);
    write_safetensors(file, reversed_entries(*reader), reader->metadata());
    EXPECT_EQ(read_text(file), read_text(original)) << name;
  }
}

TEST(SafetensorsWriter, ReplacesTheFileThatItReadsFrom) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "model.safetensors";
  std::filesystem::copy_file(testing::data_file("reference/all_dtypes.safetensors"), file);
  const auto before = read_text(file);
  const auto reader = open_checkpoint(file);
  const Json metadata(Json::Object{{"format", "pt"}});
  write_safetensors(file, reversed_entries(*reader), metadata);
  EXPECT_EQ(read_text(file), before);
  write_safetensors(file, std::vector{make_entry("other", "xyz")});
  EXPECT_EQ(reader->bytes(*reader->find("t.uint64")).bytes.size(), 48U);
  write_safetensors(file, reversed_entries(*reader), metadata);
  EXPECT_EQ(read_text(file), before) << "the old mapping stays valid";
}

TEST(SafetensorsWriter, AsksForOneTensorAtATime) {
  const TemporaryFolder folder;
  testing::expect_one_tensor_at_a_time([&](std::span<const CheckpointWriteEntry> entries) {
    write_safetensors(folder.path() / "model.safetensors", entries);
  });
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotHoldAndKeepsTheOldFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("model.safetensors", "old");
  const auto refusal = [&](std::vector<CheckpointWriteEntry> entries,
                           const Json::Object& metadata = {}) -> std::string {
    try {
      write_safetensors(file, entries, Json(metadata));
    } catch (const ValueError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal({{.name = "q", .dtype = DataType::Q4_0, .shape = {32}}}), HasSubstr("q4_0"));
  EXPECT_THAT(refusal({make_entry("a", "x"), make_entry("a", "y")}), HasSubstr("the name is taken"));
  EXPECT_THAT(refusal({make_entry("__metadata__", "x")}), HasSubstr("the name is taken"));
  EXPECT_THAT(refusal({make_entry("\xff", "x")}), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal({make_entry("a", "x")}, {{"k", "\xff"}}), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal({make_entry("a", "x")}, {{"k", 1}}), HasSubstr("expected a string"));
  EXPECT_THAT(refusal({{.name = "a", .dtype = DataType::U8, .shape = {-1}}}), HasSubstr("[-1]"));
  auto short_entry = make_entry("a", "xyz");
  short_entry.shape = {4};
  EXPECT_THAT(refusal({make_entry("0", "x"), short_entry}), HasSubstr("came with 3 bytes"));
  EXPECT_EQ(read_text(file), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "no temporary file is left";
}

TEST(SafetensorsWriter, ReportsAFolderThatDoesNotExist) {
  EXPECT_THROW(write_safetensors("/nonexistent/model.safetensors", {}), OSError);
}

}  // namespace
}  // namespace transformers
