#include "transformers/checkpoint/keras_h5.h"

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
using ::testing::ElementsAre;
using testing::formats_file;
using ::testing::HasSubstr;
using testing::open_hostile;
using testing::TemporaryFolder;

Json rows_of(std::string_view model) { return Json::parse_file(formats_file(str(model, "/names.json"))).at("keras"); }

std::vector<std::string> names_of(const CheckpointReader& reader) {
  std::vector<std::string> out;
  for (const auto& entry : reader.entries()) out.push_back(entry.name);
  return out;
}

// (i * 7 % 101) - 50, as the generator fills its arrays.
void expect_sample(const CheckpointReader& reader, std::string_view name) {
  const auto* entry = reader.find(name);
  ASSERT_TRUE(entry) << name;
  const auto data = reader.bytes(*entry);
  for (size_t i = 0; i < static_cast<size_t>(*element_count(entry->shape)); ++i) {
    float value = 0;
    std::memcpy(&value, data.bytes.data() + 4 * i, 4);
    ASSERT_EQ(value, static_cast<float>(i * 7 % 101) - 50) << name << " at " << i;
  }
}

class KerasModel : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Goldens, KerasModel, ::testing::Values("bert", "gpt2", "t5"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(KerasModel, ReadsWhatTheReferenceSaved) {  // T10, T26
  const auto reader = open_checkpoint(formats_file(str(GetParam(), "/tf/tf_model.h5")));
  EXPECT_EQ(reader->dialect(), "keras");
  EXPECT_EQ(reader->metadata().at("backend").as_string(), "tensorflow");
  EXPECT_GT(reader->metadata().at("layers").size(), 0U);
  testing::expect_rows(*reader, rows_of(GetParam()));
  for (const auto& entry : reader->entries()) EXPECT_GT(entry.offset, 0U) << "is mapped";
}

TEST_P(KerasModel, ReadsItsShardsUnderTheSameNames) {  // T10, T26
  const auto reader = open_checkpoint(formats_file(str(GetParam(), "/tf_sharded/tf_model.h5.index.json")));
  EXPECT_EQ(reader->dialect(), "keras");
  EXPECT_GT(reader->files().size(), 1U);
  testing::expect_rows(*reader, rows_of(GetParam()), false);
}

TEST_P(KerasModel, WritesWhatItRead) {  // T26
  const TemporaryFolder temporary;
  const auto folder = testing::written_files(temporary.path());
  const auto reader = open_checkpoint(formats_file(str(GetParam(), "/tf/tf_model.h5")));
  const auto written = folder / str(GetParam(), ".h5");
  keras_format.write(written, copy_entries(*reader), reader->metadata());
  const auto again = open_checkpoint(written);
  EXPECT_EQ(again->metadata(), reader->metadata());
  testing::expect_rows(*again, rows_of(GetParam()));
}

TEST_P(KerasModel, WritesShards) {  // T26
  const TemporaryFolder temporary;
  const auto folder = testing::written_files(temporary.path());
  const auto reader = open_checkpoint(formats_file(str(GetParam(), "/tf/tf_model.h5")));
  const auto entries = copy_entries(*reader);
  Json::Object map;
  const auto half = static_cast<std::ptrdiff_t>(entries.size() / 2);
  for (const int i : {0, 1}) {
    const std::vector<CheckpointWriteEntry> part(i == 0 ? entries.begin() : entries.begin() + half,
                                                 i == 0 ? entries.begin() + half : entries.end());
    const auto name = str(GetParam(), "-0000", i + 1, "-of-00002.h5");
    keras_format.write(folder / name, part, reader->metadata());
    for (const auto& entry : part) map.emplace_back(entry.name, name);
  }
  const auto index = folder / str(GetParam(), ".h5.index.json");
  write_text_atomic(index, Json(Json::Object{{"metadata", Json::object()}, {"weight_map", std::move(map)}}).dump());
  testing::expect_rows(*open_checkpoint(index), rows_of(GetParam()), false);
  const auto shard = open_checkpoint(folder / str(GetParam(), "-00001-of-00002.h5"));
  EXPECT_EQ(reader->find(shard->entries()[0].name), nullptr) << "without the model's part";
}

TEST(Keras, ReadsEveryDtype) {
  const auto reader = open_checkpoint(formats_file("keras/dtypes.h5"));
  for (const char* name : {"float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16",
                           "uint32", "uint64", "bool"}) {
    const auto* entry = reader->find(str("t/", name, ":0"));
    ASSERT_TRUE(entry) << name;
    EXPECT_EQ(info(entry->dtype).name, name);
  }
  expect_sample(*reader, "t/float32:0");
  EXPECT_THAT(reader->find("t/scalar:0")->shape, ElementsAre());
  EXPECT_THAT(reader->find("t/empty:0")->shape, ElementsAre(0, 4));
  EXPECT_EQ(reader->bytes(*reader->find("t/empty:0")).bytes.size(), 0U);
  EXPECT_EQ(reader->bytes(*reader->find("t/bool:0")).bytes[1], std::byte{0});
}

TEST(Keras, WritesEveryDtype) {
  const TemporaryFolder temporary;
  const auto folder = testing::written_files(temporary.path());
  const auto reader = open_checkpoint(formats_file("keras/dtypes.h5"));
  write_keras_h5(folder / "dtypes.h5", copy_entries(*reader), reader->metadata());
  const auto again = open_checkpoint(folder / "dtypes.h5");
  ASSERT_EQ(again->entries().size(), reader->entries().size());
  for (const auto& entry : reader->entries()) {
    const auto* found = again->find(entry.name);
    ASSERT_TRUE(found) << entry.name;
    EXPECT_EQ(found->dtype, entry.dtype);
    EXPECT_EQ(found->shape, entry.shape);
    const auto a = reader->bytes(entry).bytes, b = again->bytes(*found).bytes;
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << entry.name;
  }
}

TEST(Keras, TurnsBigEndianNumbers) {
  const auto reader = open_checkpoint(formats_file("keras/big_endian.h5"));
  expect_sample(*reader, "t/float32:0");
  EXPECT_EQ(reader->find("t/float32:0")->offset, 0U);
  int64_t value = 0;
  std::memcpy(&value, reader->bytes(*reader->find("t/int64:0")).bytes.data() + 8, 8);
  EXPECT_EQ(value, -43);
}

TEST(Keras, UnpacksChunks) {
  for (const char* name : {"keras/chunked.h5", "keras/gzip.h5"}) {
    const auto reader = open_checkpoint(formats_file(name));
    EXPECT_THAT(reader->find("d/kernel:0")->shape, ElementsAre(37, 21)) << name;
    EXPECT_EQ(reader->find("d/kernel:0")->offset, 0U);
    expect_sample(*reader, "d/kernel:0");
  }
}

TEST(Keras, ReadsLayoutsOldAndNew) {  // T10
  EXPECT_THAT(names_of(*open_checkpoint(formats_file("keras/split_names.h5"))),
              ElementsAre("a/kernel:0", "a/bias:0", "b/kernel:0", "b/bias:0", "c/kernel:0", "c/bias:0"));
  EXPECT_THAT(names_of(*open_checkpoint(formats_file("keras/keras_1.h5"))),
              ElementsAre("layer_0/param_0", "layer_1/param_0"));
  EXPECT_THAT(names_of(*open_checkpoint(formats_file("keras/no_weight_names.h5"))),
              ElementsAre("dense/param_0", "dense/param_1"));
  EXPECT_THAT(names_of(*open_checkpoint(formats_file("keras/latest.h5"))), ElementsAre("d/kernel:0"));
  EXPECT_THAT(names_of(*open_checkpoint(formats_file("keras/repeated.h5"))), ElementsAre("a/kernel:0", "b/kernel:0"));
  EXPECT_EQ(open_checkpoint(formats_file("keras/many.h5"))->entries().size(), 400U);
}

TEST(Keras, TakesOnlyTheWeightsOfAWholeModel) {  // T10; CVE-2025-1550, CVE-2025-9905
  const auto reader = open_checkpoint(formats_file("keras/whole_model.h5"));
  const auto rows = Json::parse_file(formats_file("keras/names.json"));
  testing::expect_rows(*reader, rows.at("weights.h5"));
  EXPECT_FALSE(reader->metadata().contains("model_config"));
  testing::expect_rows(*open_checkpoint(formats_file("keras/weights.h5")), rows.at("weights.h5"));
}

TEST(Keras, IsRecognisedByItsContent) {
  const TemporaryFolder folder;
  EXPECT_EQ(open_checkpoint(folder.write("6f3a9c", read_text(formats_file("keras/latest.h5"))))->dialect(), "keras");
}

TEST(Keras, RefusesWhatLeavesTheFileOrIsNoWeight) {  // CVE-2016-4333, CVE-2026-26200
  const std::pair<const char*, const char*> cases[] = {
      {"external_link", "external link"},
      {"soft_link", "soft link"},
      {"external_storage", "other files"},
      {"virtual", "a view of other"},
      {"never_written", "never written"},
      {"compound", "compounds"},
      {"strings", "lists of variable length"},
      {"reference", "references"},
      {"a_group", "is no dataset"},
      {"missing", "does not hold"},
      {"cycle", "nests more than"},
  };
  for (const auto& [name, reason] : cases) {
    const auto outcome = open_hostile(formats_file(str("keras/refused/", name, ".h5")));
    EXPECT_TRUE(outcome.was_refused) << name;
    EXPECT_THAT(outcome.reason, HasSubstr(reason)) << name;
  }
  EXPECT_THAT(open_hostile(formats_file("keras/lzf.h5")).reason, HasSubstr("filter 32000"));
  EXPECT_THAT(open_hostile(formats_file("keras/checksummed.h5")).reason, HasSubstr("filter 3"));
}

TEST(Keras, SaysThatAFileIsNoHdf5) {  // T10
  const TemporaryFolder folder;
  EXPECT_THAT(open_hostile(folder.write("tf_model.h5", "{}")).reason, HasSubstr("does not begin as HDF5"));
  EXPECT_THAT(open_hostile(folder.write("tf_model.h5", "version https://git-lfs.github.com/spec/v1\n")).reason,
              HasSubstr("Git LFS"));
  const auto whole = read_text(formats_file("keras/latest.h5"));
  EXPECT_THAT(open_hostile(folder.write("tf_model.h5", whole.substr(0, 3000))).reason, HasSubstr("cut short"));
}

TEST(Keras, StaysHarmlessHoweverTheFileIsChanged) {
  testing::expect_no_harm(read_text(formats_file("keras/latest.h5")), "x.h5", 61);
  testing::expect_no_harm(read_text(formats_file("keras/split_names.h5")), "x.h5", 409);
}

CheckpointWriteEntry byte_entry(std::string name, DataType dtype = DataType::U8) {
  return {.name = std::move(name), .dtype = dtype, .shape = {1}, .bytes = [] {
            static constexpr std::byte kByte{7};
            return SharedBytes{.bytes = {&kByte, 1}};
          }};
}

TEST(Keras, UnpacksNoMoreThanDeflateCanHavePacked) {
  const TemporaryFolder folder;
  const auto content = read_text(formats_file("keras/gzip.h5"));
  for (size_t at = 0; at + 8 <= content.size(); at += 8)
    for (const uint64_t value : {uint64_t{1} << 16, uint64_t{1} << 31, (uint64_t{1} << 42) + 1})
      static_cast<void>(open_hostile(folder.write("x.h5", testing::patched(content, at, 8, value)), 16 * 1032));
}

TEST(KerasWriter, FindsTheLayerOfAWeight) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "x.h5";
  const CheckpointWriteEntry entries[] = {byte_entry("dense/kernel:0"), byte_entry("m/b/x/y:0"), byte_entry("s/t/e:0")};
  write_keras_h5(file, entries);
  EXPECT_EQ(open_checkpoint(file)->metadata().at("layers").dump(),
            R"({"dense":["dense/kernel:0"],"b":["m/b/x/y:0"],"t":["s/t/e:0"]})");
  write_keras_h5(file, entries, Json::parse(R"({"layers":{"s":["s/t/e:0"],"empty":[],"b":["absent","s/t/e:0"]}})"));
  EXPECT_EQ(open_checkpoint(file)->metadata().at("layers").dump(),
            R"({"s":["s/t/e:0"],"empty":[],"b":["s/t/e:0","m/b/x/y:0"],"dense":["dense/kernel:0"]})")
      << "linked";
  EXPECT_THAT(names_of(*open_checkpoint(file)), ElementsAre("s/t/e:0", "m/b/x/y:0", "dense/kernel:0"));
}

TEST(KerasWriter, CutsLongListsAndFillsLargeGroups) {  // T26
  const TemporaryFolder temporary;
  const auto folder = testing::written_files(temporary.path());
  std::vector<CheckpointWriteEntry> entries;
  for (int i = 0; i < 3000; ++i)
    entries.push_back(byte_entry(str("model/layer/a_rather_long_name_of_a_weight_so_that_many_do_not_fit_", i, ":0")));
  write_keras_h5(folder / "many.h5", entries);
  const auto reader = open_checkpoint(folder / "many.h5");
  ASSERT_EQ(reader->entries().size(), 3000U);
  for (size_t i = 0; i < entries.size(); ++i) ASSERT_EQ(reader->entries()[i].name, entries[i].name);
}

TEST(KerasWriter, KeepsTheOldFileWhenItRefuses) {
  const TemporaryFolder folder;
  const auto file = folder.write("tf_model.h5", "old");
  const auto refuses = [&](std::vector<CheckpointWriteEntry> entries) {
    EXPECT_THROW(write_keras_h5(file, entries), ValueError);
    EXPECT_EQ(read_text(file), "old");
  };
  refuses({byte_entry("m/a/x:0"), byte_entry("m/a/x:0")});
  refuses({byte_entry("m/a/x"), byte_entry("m/a/x/y")});
  refuses({byte_entry("m/a/x/y"), byte_entry("m/a/x")});
  refuses({byte_entry("m//x")});
  refuses({byte_entry("\xff")});
  refuses({byte_entry("")});
  refuses({byte_entry("m/a/x:0", DataType::BF16)});
  refuses({byte_entry("m/a/x:0", DataType::Q4_0)});
  refuses({byte_entry("m/a/x:0", DataType::F32)});
  refuses({byte_entry("m/a/" + std::string(70000, 'x'))});
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "no temporary file is left";
}

TEST(KerasWriter, ReplacesTheFileThatItReadsFrom) {  // safetensors#764
  const TemporaryFolder folder;
  const auto file = folder.write("tf_model.h5", read_text(formats_file("gpt2/tf/tf_model.h5")));
  {
    const auto reader = open_checkpoint(file);
    write_keras_h5(file, copy_entries(*reader), reader->metadata());
  }
  testing::expect_rows(*open_checkpoint(file), rows_of("gpt2"));
}

}  // namespace
}  // namespace transformers
