// Writing what torch.load(weights_only=True) opens (S08). tests/tools/check_pickle_files.py opens the same in Python.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/crc32.h"
#include "transformers/checkpoint/detail/zip_archive.h"
#include "transformers/checkpoint/pickle.h"

namespace transformers {
namespace {

using testing::copy_entries;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

TEST(PickleWriter, WhatItWritesReadsBackBitForBit) {
  const TemporaryFolder folder;
  const auto source = open_checkpoint(testing::data_file("pickle/expected.safetensors"));
  const auto file = folder.path() / "pytorch_model.bin";
  write_pytorch(file, copy_entries(*source));
  const auto reader = open_checkpoint(file);
  ASSERT_EQ(reader->entries().size(), source->entries().size());
  for (size_t i = 0; i < source->entries().size(); ++i) {
    const auto &want = source->entries()[i], &have = reader->entries()[i];
    EXPECT_EQ(have.name, want.name);
    EXPECT_EQ(have.dtype, want.dtype);
    EXPECT_EQ(have.shape, want.shape);
    EXPECT_TRUE(same(reader->bytes(have).bytes, source->bytes(want).bytes)) << want.name;
    EXPECT_TRUE(have.size_bytes == 0 || have.offset % 64 == 0) << want.name;
  }
  verify_pytorch(file);
}

TEST(PickleWriter, TheSameEntriesGiveTheSameFile) {
  const TemporaryFolder folder;
  const auto source = open_checkpoint(testing::data_file("pickle/zip.bin"));
  write_pytorch(folder.path() / "a.bin", copy_entries(*source));
  write_pytorch(folder.path() / "b.bin", copy_entries(*source));
  EXPECT_EQ(read_text(folder.path() / "a.bin"), read_text(folder.path() / "b.bin"));
}

TEST(PickleWriter, SavesOntoTheFileThatIsMapped) {  // anchors.md 4.2, 15
  const TemporaryFolder folder;
  const auto file = folder.write("model.bin", read_text(testing::data_file("pickle/zip.bin")));
  const auto before = open_checkpoint(file);
  write_pytorch(file, copy_entries(*before));
  const auto after = open_checkpoint(file);
  for (const auto& entry : before->entries())
    EXPECT_TRUE(same(before->bytes(entry).bytes, after->bytes(*after->find(entry.name)).bytes)) << entry.name;
}

SharedBytes floats(size_t count) {
  const auto values = std::make_shared<std::vector<float>>(count, 1.5F);
  return {.bytes = std::as_bytes(std::span(*values)), .owner = values};
}
CheckpointWriteEntry entry(std::string name, std::vector<int64_t> shape, size_t count, std::string alias_of = "") {
  return {.name = std::move(name),
          .shape = std::move(shape),
          .bytes = [count] { return floats(count); },
          .alias_of = std::move(alias_of)};
}

std::vector<CheckpointWriteEntry> tied() {
  std::vector<CheckpointWriteEntry> entries{entry("a", {2, 3}, 6), entry("b", {6}, 6, "a"), entry("c", {6}, 6, "b")};
  entries[1].bytes = entries[2].bytes = {};
  return entries;
}

std::vector<CheckpointWriteEntry> many() {
  std::vector<CheckpointWriteEntry> entries;
  for (int i = 0; i < 66000; ++i) entries.push_back(entry(str("t.", i), {1}, 1));
  return entries;
}

TEST(PickleWriter, KeepsAliases) {  // S08, S09
  const TemporaryFolder folder;
  const auto file = folder.path() / "tied.bin";
  write_pytorch(file, tied());
  const auto reader = open_checkpoint(file);
  EXPECT_EQ(reader->find("a")->offset, reader->find("b")->offset);
  EXPECT_EQ(reader->find("a")->offset, reader->find("c")->offset);
  EXPECT_EQ(reader->find("b")->shape, std::vector<int64_t>{6});
}

TEST(PickleWriter, HoldsMoreEntriesThanTheOldDirectoryCounts) {  // zip64
  const TemporaryFolder folder;
  const auto file = folder.path() / "many.bin";
  write_pytorch(file, many());
  const auto reader = open_checkpoint(file);
  ASSERT_EQ(reader->entries().size(), 66000U);
  EXPECT_EQ(reader->entries()[65999].name, "t.65999");
}

// For tests/tools/check_pickle_files.py, which opens them in Python.
TEST(PickleWriter, LeavesFilesForPython) {
  const auto name = environment("TRANSFORMERS_KEEP_FILES");
  if (name.empty()) GTEST_SKIP() << "TRANSFORMERS_KEEP_FILES names no folder";
  const std::filesystem::path folder(name);
  std::filesystem::create_directories(folder);
  const auto source = open_checkpoint(testing::data_file("pickle/expected.safetensors"));
  write_pytorch(folder / "every_dtype.bin", copy_entries(*source));
  write_pytorch(folder / "tied.bin", tied());
  write_pytorch(folder / "many.bin", many());
}

std::string refusal(std::span<const CheckpointWriteEntry> entries) {
  const TemporaryFolder folder;
  const auto file = folder.write("old.bin", "old");
  try {
    write_pytorch(file, entries);
    ADD_FAILURE() << "was written";
  } catch (const ValueError& error) {
    EXPECT_EQ(read_text(file), "old");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
    return error.what();
  }
  return "";
}

TEST(PickleWriter, RefusesWhatTheFormatCannotHold) {
  auto quantised = entry("q", {32}, 1);
  quantised.dtype = DataType::Q4_0;
  EXPECT_THAT(refusal(std::vector{quantised}), HasSubstr("q4_0"));
  EXPECT_THAT(refusal(std::vector{entry("a", {2}, 2), entry("a", {2}, 2)}), HasSubstr("taken"));
  EXPECT_THAT(refusal(std::vector{entry("\xff", {2}, 2)}), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal(std::vector{entry("a", {2}, 3)}), HasSubstr("12 bytes"));
  EXPECT_THAT(refusal(std::vector{entry("a", {-2}, 2)}), HasSubstr("impossible shape"));
  EXPECT_THAT(refusal(std::vector{entry("a", {2}, 2, "b"), entry("b", {2}, 2)}), HasSubstr("before it"));
  EXPECT_THAT(refusal(std::vector{entry("a", {2}, 2), entry("b", {3}, 3, "a")}), HasSubstr("no alias"));
}

TEST(Crc32, FastAndPortableFormsAgree) {
  std::string text = "123456789";
  const auto bytes = [&] { return std::as_bytes(std::span(text.data(), text.size())); };
  EXPECT_EQ(detail::crc32(bytes()), 0xcbf43926U);  // the polynomial's check value
  text.resize(1000);
  uint32_t state = 1;
  for (auto& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  for (size_t begin = 0; begin < 20; ++begin)
    for (size_t size = 0; size < 400; ++size) {
      const auto part = bytes().subspan(begin, size);
      ASSERT_EQ(detail::crc32(part), detail::crc32_portable(part)) << begin << " " << size;
      ASSERT_EQ(detail::crc32(part.subspan(size / 3), detail::crc32(part.first(size / 3))), detail::crc32(part));
    }
}

}  // namespace
}  // namespace transformers
