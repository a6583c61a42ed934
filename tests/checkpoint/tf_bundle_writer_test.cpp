#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/tf_bundle.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::make_entry;
using testing::reversed_entries;
using testing::TemporaryFolder;

fs::path golden(std::string_view name, std::string_view file = "model.ckpt.index") {
  return fs::path(TRANSFORMERS_TEST_DATA) / "formats/tf_bundle" / std::string(name) / std::string(file);
}

std::vector<std::string> names_in(const TemporaryFolder& folder) {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(folder.path())) names.push_back(item.path().filename().native());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(TfBundleWriter, WritesTheBytesOfTensorFlow) {
  const TemporaryFolder folder;
  for (const char* name : {"albert", "bert", "t5"}) {
    const auto file = folder.path() / str(name, ".index");
    const auto reader = open_checkpoint(golden(name));
    write_tf_bundle(file, reversed_entries(*reader), reader->metadata());
    EXPECT_EQ(read_text(file), read_text(golden(name)));
    EXPECT_EQ(read_text(folder.path() / str(name, ".data-00000-of-00001")),
              read_text(golden(name, "model.ckpt.data-00000-of-00001")));
  }
}

TEST(TfBundleWriter, KeepsEveryDtype) {
  const TemporaryFolder folder;
  const auto original = open_checkpoint(golden("dtypes"));
  tf_bundle_format.write(folder.path() / "m.index", reversed_entries(*original), original->metadata());
  const auto copy = open_checkpoint(folder.path() / "m.index");
  EXPECT_EQ(copy->entries().size(), original->entries().size());
  for (const auto& entry : original->entries()) {
    const auto* found = copy->find(entry.name);
    ASSERT_TRUE(found) << entry.name;
    EXPECT_EQ(found->dtype, entry.dtype);
    EXPECT_EQ(found->shape, entry.shape);
    EXPECT_EQ(copy->verify(*found), Integrity::Intact);
    const auto a = copy->bytes(*found), b = original->bytes(entry);
    EXPECT_TRUE(std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end())) << entry.name;
  }
  for (const auto& type : data_types()) {
    if (type.is_quantized) continue;
    EXPECT_TRUE(std::any_of(copy->entries().begin(), copy->entries().end(), [&](const auto& entry) {
      return entry.dtype == type.type;
    })) << type.name;
  }
}

TEST(TfBundleWriter, ReplacesTheCheckpointThatItReadsFrom) {
  const TemporaryFolder folder;
  const auto index = folder.path() / "m.index";
  write_tf_bundle(index, std::vector{make_entry("a", "first"), make_entry("b", "second")});
  const auto reader = open_checkpoint(index);
  EXPECT_THAT(names_in(folder), ::testing::ElementsAre("m.data-00000-of-00001", "m.index"));
  write_tf_bundle(index, reversed_entries(*reader));
  EXPECT_THAT(names_in(folder), ::testing::ElementsAre("m.data-00000-of-00002", "m.data-00001-of-00002", "m.index"));
  write_tf_bundle(index, reversed_entries(*open_checkpoint(index)));
  EXPECT_THAT(names_in(folder), ::testing::ElementsAre("m.data-00000-of-00001", "m.index"));
  EXPECT_EQ(reader->bytes(*reader->find("b")).bytes[0], std::byte{'s'}) << "the old mapping stays valid";
  EXPECT_EQ(open_checkpoint(index)->find("b")->size_bytes, 6U);
}

TEST(TfBundleWriter, KeepsTheOldCheckpointWhenItFails) {
  const TemporaryFolder folder;
  const auto index = folder.path() / "m.index";
  write_tf_bundle(index, std::vector{make_entry("a", "first")});
  auto failing = make_entry("z", "x");
  failing.bytes = []() -> SharedBytes { throw OSError("cannot be read"); };
  EXPECT_THROW(write_tf_bundle(index, std::vector{make_entry("a", "other"), failing}), OSError);
  EXPECT_THAT(names_in(folder), ::testing::ElementsAre("m.data-00000-of-00001", "m.index"));
  const auto reader = open_checkpoint(index);
  EXPECT_EQ(reader->verify(*reader->find("a")), Integrity::Intact);
  EXPECT_EQ(reader->bytes(*reader->find("a")).bytes[0], std::byte{'f'});
}

TEST(TfBundleWriter, SparesTheDataOfAnIndexThatItCannotRead) {
  const TemporaryFolder folder;
  const auto index = folder.write("m.index", "damaged");
  const auto data = folder.write("m.data-00000-of-00001", "data");
  write_tf_bundle(index, std::vector{make_entry("a", "x")});
  EXPECT_EQ(read_text(data), "data");
  EXPECT_EQ(open_checkpoint(index)->entries().size(), 1U);
}

TEST(TfBundleWriter, LeavesNothingWhenTheIndexCannotBePutInPlace) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "m.index");
  EXPECT_THROW(write_tf_bundle(folder.path() / "m.index", std::vector{make_entry("a", "x")}), OSError);
  EXPECT_THAT(names_in(folder), ::testing::ElementsAre("m.index"));
}

TEST(TfBundleWriter, AsksForOneTensorAtATime) {
  const TemporaryFolder folder;
  testing::expect_one_tensor_at_a_time(
      [&](std::span<const CheckpointWriteEntry> entries) { write_tf_bundle(folder.path() / "m.index", entries); });
}

TEST(TfBundleWriter, RefusesWhatTheFormatCannotHold) {
  const TemporaryFolder folder;
  const auto refusal = [&](std::vector<CheckpointWriteEntry> entries, std::string_view name = "m.index") {
    try {
      write_tf_bundle(folder.path() / std::string(name), entries);
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string("was written");
  };
  EXPECT_THAT(refusal({{.name = "q", .dtype = DataType::Q4_0, .shape = {32}}}), HasSubstr("q4_0"));
  EXPECT_THAT(refusal({make_entry("a", "x"), make_entry("a", "y")}), HasSubstr("twice"));
  EXPECT_THAT(refusal({make_entry("", "x")}), HasSubstr("cannot be called"));
  EXPECT_THAT(refusal({make_entry(std::string("\0a", 2), "x")}), HasSubstr("cannot be called"));
  EXPECT_THAT(refusal({make_entry("\xff", "x")}), HasSubstr("cannot be called"));
  EXPECT_THAT(refusal({{.name = "a", .dtype = DataType::U8, .shape = {-1}}}), HasSubstr("[-1]"));
  EXPECT_THAT(refusal({make_entry("a", "x")}, "m.ckpt"), HasSubstr("<prefix>.index"));
  auto short_entry = make_entry("a", "xyz");
  short_entry.shape = {4};
  EXPECT_THAT(refusal({make_entry("0", "x"), short_entry}), HasSubstr("came with 3 bytes"));
  EXPECT_TRUE(names_in(folder).empty());
}

// For tests/tools/check_tf_bundle.py, which reads with TensorFlow what this leaves in the folder that is named.
TEST(TfBundleWriter, LeavesFilesForTensorFlow) {
  const char* target = std::getenv("TRANSFORMERS_TEST_OUTPUT");
  if (!target) GTEST_SKIP() << "TRANSFORMERS_TEST_OUTPUT names no folder";
  for (const char* name : {"albert", "bert", "dtypes", "partitioned", "shards", "t5"}) {
    const auto reader = open_checkpoint(golden(name));
    const auto file = fs::path(target) / str(name, ".index");
    write_tf_bundle(file, reversed_entries(*reader));
    const auto again = open_checkpoint(file);
    write_tf_bundle(file, reversed_entries(*again));  // the second form of the data's name
  }
  std::vector<CheckpointWriteEntry> many;
  for (int i = 0; i < 20000; ++i) many.push_back(make_entry(str("scope_", i, "/kernel"), str(i)));
  write_tf_bundle(fs::path(target) / "many.index", many);
}

}  // namespace
}  // namespace transformers
