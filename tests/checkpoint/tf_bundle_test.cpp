#include "transformers/checkpoint/tf_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/crc32c.h"
#include "transformers/checkpoint/detail/tf_bundle_index.h"
#include "transformers/checkpoint/detail/tf_table.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using detail::TfBundleEntry;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::open_hostile;
using testing::TemporaryFolder;

fs::path golden(std::string_view name, std::string_view file = "model.ckpt.index") {
  return fs::path(TRANSFORMERS_TEST_DATA) / "formats/tf_bundle" / std::string(name) / std::string(file);
}

std::string refusal(const fs::path& file) {
  try {
    static_cast<void>(open_checkpoint(file));
  } catch (const OSError& error) {
    return error.what();
  }
  ADD_FAILURE() << file << " was opened";
  return "";
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// An index in a folder with one data file of 64 bytes that are all 2.
class Built : public ::testing::Test {
 protected:
  using Pairs = std::vector<std::pair<std::string, TfBundleEntry>>;

  void SetUp() override { folder_.write("m.data-00000-of-00001", std::string(64, '\x02')); }

  static std::string table(const Pairs& pairs, const std::string& header = serialize(detail::TfBundleHeader{1, 1})) {
    detail::TfTableWriter writer;
    writer.add("", header);
    for (const auto& [key, entry] : pairs) writer.add(key, serialize(entry));
    return writer.finish();
  }
  fs::path write(const std::string& content) const { return folder_.write("m.index", content); }
  std::string refusal_of(const std::string& content) const {
    const auto outcome = open_hostile(write(content));
    EXPECT_TRUE(outcome.was_refused);
    return outcome.reason;
  }
  std::string refusal_of(const Pairs& pairs) const { return refusal_of(table(pairs)); }

  // float32, two rows of three
  static TfBundleEntry entry(uint64_t offset = 0) {
    return {.dtype = 1, .shape = {2, 3}, .offset = offset, .size_bytes = 24};
  }

  TemporaryFolder folder_;
};

class TfBundle : public ::testing::TestWithParam<const char*> {};

TEST_P(TfBundle, ReadsWhatTensorFlowReads) {  // P03, P69
  const auto reader = open_checkpoint(golden(GetParam()));
  const auto expected = open_checkpoint(golden(GetParam(), "expected.safetensors"));
  EXPECT_EQ(reader->dialect(), "tensorflow");
  for (const auto& entry : expected->entries()) {
    const auto* found = reader->find(entry.name);
    ASSERT_TRUE(found) << entry.name;
    EXPECT_EQ(found->dtype, entry.dtype) << entry.name;
    EXPECT_EQ(found->shape, entry.shape) << entry.name;
    EXPECT_TRUE(same_bytes(reader->bytes(*found).bytes, expected->bytes(entry).bytes)) << entry.name;
    EXPECT_EQ(reader->verify(*found), Integrity::Intact) << entry.name;
  }
  for (const auto& entry : reader->entries())  // TF 2 counts saves in a variable of its own
    EXPECT_TRUE(expected->find(entry.name) || entry.name.starts_with("save_counter")) << entry.name;
}

INSTANTIATE_TEST_SUITE_P(Goldens, TfBundle,
                         ::testing::Values("albert", "bert", "dtypes", "objects", "partitioned", "shards", "snappy",
                                           "t5"));

TEST(TfBundles, KeepWhatOptimizersLeft) {  // P03: skipping it is the mapping's business
  const auto reader = open_checkpoint(golden("bert"));
  EXPECT_TRUE(reader->find("bert/encoder/layer_0/attention/self/query/kernel/adam_m"));
  ASSERT_TRUE(reader->find("global_step"));
  EXPECT_EQ(reader->find("global_step")->dtype, DataType::I64);
  EXPECT_TRUE(reader->find("global_step")->shape.empty());
}

TEST(TfBundles, NameInTheMetadataWhatIsNoTensor) {
  EXPECT_EQ(open_checkpoint(golden("dtypes"))->metadata().at("skipped"),
            Json(Json::Object{{"s/complex128", "complex128"}, {"s/strings", "string"}}));
  EXPECT_EQ(open_checkpoint(golden("objects"))->metadata().at("skipped"),
            Json(Json::Object{{"_CHECKPOINTABLE_OBJECT_GRAPH", "string"}}));
  const auto shards = open_checkpoint(golden("shards"));
  EXPECT_EQ(shards->metadata(), Json(Json::Object{{"num_shards", 2}, {"producer", 1}}));
  ASSERT_EQ(shards->files().size(), 2U);
  EXPECT_EQ(shards->files()[1].filename(), "model.ckpt.data-00001-of-00002");
}

TEST(TfBundles, MapWhatIsNotInSlices) {
  auto reader = open_checkpoint(golden("partitioned"));
  const auto plain = reader->bytes(*reader->find("plain")), again = reader->bytes(*reader->find("plain"));
  EXPECT_EQ(plain.bytes.data(), again.bytes.data());
  const auto joined = reader->bytes(*reader->find("scope/weights"));
  reader.reset();
  EXPECT_EQ(joined.bytes.size(), 4U * 300 * 4);
  EXPECT_EQ(static_cast<const void*>(plain.bytes.data()), again.bytes.data());
}

TEST(TfBundles, OpenByTheirPrefix) {  // P03
  EXPECT_EQ(open_checkpoint(golden("bert", "model.ckpt"))->entries().size(),
            open_checkpoint(golden("bert"))->entries().size());
}

TEST(TfBundles, NameTheIndexWhenAnotherOfTheirFilesIsOpened) {
  EXPECT_THAT(refusal(golden("bert", "model.ckpt.data-00000-of-00001")), HasSubstr("open model.ckpt.index"));
  const TemporaryFolder folder;
  folder.write("m.index", "");
  EXPECT_THAT(refusal(folder.write("m.meta", "graph")), HasSubstr("open m.index"));
  EXPECT_THAT(refusal(folder.write("6f3a9c", read_text(golden("bert")))), HasSubstr("name it '….index' again"));
}

TEST(TfBundles, SayHowToConvertTheFormerFormat) {
  EXPECT_THAT(refusal(golden("v1", "model.ckpt")), AllOf(HasSubstr("format V1"), HasSubstr("SaverDef.V2")));
}

TEST(TfBundles, ReportTheDataFileThatIsMissingOrCut) {
  const TemporaryFolder folder;
  const auto index = folder.write("model.ckpt.index", read_text(golden("shards")));
  const auto first = read_text(golden("shards", "model.ckpt.data-00000-of-00002"));
  folder.write("model.ckpt.data-00000-of-00002", first);
  EXPECT_THROW(static_cast<void>(open_checkpoint(index)), FileNotFoundError);
  EXPECT_THAT(refusal(index), AllOf(HasSubstr("data-00001-of-00002"), HasSubstr("missing")));
  folder.write("model.ckpt.data-00001-of-00002", std::string(191, 'x'));
  EXPECT_THAT(refusal(index), HasSubstr("cut short"));
  folder.write("model.ckpt.data-00001-of-00002", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_THAT(refusal(index), HasSubstr("Git LFS"));
}

TEST(TfBundles, FindDamageInTheData) {
  const TemporaryFolder folder;
  for (const char* name : {"partitioned", "bert"}) {
    const auto index = folder.write("model.ckpt.index", read_text(golden(name)));
    auto data = read_text(golden(name, "model.ckpt.data-00000-of-00001"));
    data[data.size() / 2] ^= 1;
    folder.write("model.ckpt.data-00000-of-00001", data);
    const auto reader = open_checkpoint(index);
    const auto damaged = std::count_if(reader->entries().begin(), reader->entries().end(),
                                       [&](const auto& entry) { return reader->verify(entry) == Integrity::Damaged; });
    EXPECT_EQ(damaged, 1) << name;
  }
}

TEST(TfBundles, RefuseAnIndexWithAnyByteChangedOrCutOff) {
  const TemporaryFolder folder;
  const auto index = read_text(golden("shards"));
  for (const char* name : {"model.ckpt.data-00000-of-00002", "model.ckpt.data-00001-of-00002"})
    folder.write(name, read_text(golden("shards", name)));
  const size_t block = index.size() - 48 - 20 - 13;  // the index of blocks and the empty block lie behind it
  for (size_t i = 0; i < index.size(); ++i) {
    auto bad = index;
    bad[i] = static_cast<char>(bad[i] ^ 0x55);
    const auto outcome = open_hostile(folder.write("model.ckpt.index", bad));
    EXPECT_TRUE(outcome.was_refused || i >= block) << i;
    EXPECT_TRUE(open_hostile(folder.write("model.ckpt.index", index.substr(0, i))).was_refused) << i;
  }
}

TEST(TfBundles, EncodeFarSlicesAsTensorFlowDoes) {
  const auto mapped = MappedFile::open(golden("far_slices"));
  const auto index = detail::parse_tf_bundle_index(mapped->bytes(), mapped->path());
  EXPECT_EQ(index.entries.size(), 17U);
  for (const auto& [name, entry] : index.entries) {
    ASSERT_EQ(entry.slices.size(), 1U);
    EXPECT_TRUE(index.slices.contains(detail::slice_key(name, entry.slices[0]))) << name;
  }
  EXPECT_THAT(refusal(golden("far_slices")), HasSubstr("slices"));
}

TEST_F(Built, OpensAndReports) {
  const auto reader = open_checkpoint(write(table({{"a", entry()}, {"b", entry(24)}})));
  EXPECT_EQ(reader->bytes(*reader->find("b")).bytes[0], std::byte{2});
  EXPECT_EQ(reader->verify(*reader->find("b")), Integrity::Damaged) << "the checksum is zero";
  CheckpointEntry stranger{.name = "c"};
  EXPECT_THROW(static_cast<void>(reader->bytes(stranger)), ValueError);
}

TEST_F(Built, RefusesHeadersOfAnotherKind) {
  using namespace std::string_literals;
  EXPECT_THAT(refusal_of(table({}, "\x08\x01\x10\x01"s)), HasSubstr("big-endian"));
  EXPECT_THAT(refusal_of(table({}, "\x08\x01\x1a\x02\x10\x02"s)), HasSubstr("version 2"));
  EXPECT_THAT(refusal_of(table({}, "\x08\x00"s)), HasSubstr("announces 0 data files"));
  EXPECT_THAT(refusal_of(table({}, "\x08\xa0\x8d\x06"s)), HasSubstr("announces 100000 data files"));
  EXPECT_THAT(refusal_of(table({}, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s)), HasSubstr("negative"));
  EXPECT_THAT(refusal_of(table({}, "\x0b"s)), HasSubstr("wire type 3"));
  EXPECT_THAT(refusal_of(table({}, "\x1a\x7f"s)), HasSubstr("cut short"));
  EXPECT_THAT(refusal_of(table({}, "\x09\x01"s)), HasSubstr("cut short"));
  EXPECT_THAT(refusal_of(table({}, "\x0d\1\1\1\1"s)), HasSubstr("wire type 5, expected 0"));
  EXPECT_THAT(refusal_of(detail::TfTableWriter().finish()), HasSubstr("empty"));
  detail::TfTableWriter other;
  other.add("key", "value");
  EXPECT_THAT(refusal_of(other.finish()), HasSubstr("no header"));
  EXPECT_THAT(refusal_of(std::string(200, 'x')), HasSubstr("does not end as a TensorFlow index"));
}

TEST_F(Built, RefusesVariablesThatDoNotFit) {
  for (const uint64_t value : testing::attack_values()) {
    auto far = entry(), large = entry(), wide = entry();
    far.offset = large.size_bytes = value;
    wide.shape = {static_cast<int64_t>(value), 3};
    refusal_of({{"a", far}});
    refusal_of({{"a", large}});
    refusal_of({{"a", wide}});
  }
  EXPECT_THAT(refusal_of({{"a", entry(41)}}), HasSubstr("cut short"));
  EXPECT_THAT(refusal_of({{"a", entry()}, {"b", entry(23)}}), HasSubstr("overlap"));
  auto bad = entry();
  bad.shape = {2, 4};
  EXPECT_THAT(refusal_of({{"a", bad}}), HasSubstr("float32 of shape [2, 4] takes 32"));
  bad = entry();
  bad.shard = 1;
  EXPECT_THAT(refusal_of({{"a", bad}}), HasSubstr("data file 1 of 1"));
  for (const int64_t number : {0, 33, 101, 9999}) {
    bad = entry();
    bad.dtype = number;
    EXPECT_THAT(refusal_of({{"a", bad}}), HasSubstr("unknown TensorFlow dtype"));
  }
  bad = entry();
  bad.shape.assign(255, 1);
  EXPECT_THAT(refusal_of({{"a", bad}}), HasSubstr("more than 254 dimensions"));
  EXPECT_THAT(refusal_of({{"\xff", entry()}}), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal_of({{std::string("a\0b", 3), entry()}}), HasSubstr("NUL"));
}

class BuiltSlices : public Built {
 protected:
  // `cuts` are slices; each is given the bytes that its shape takes, side by side.
  static std::string slices_table(std::vector<detail::TfSlice> cuts, bool with_parts = true) {
    std::string whole = serialize(TfBundleEntry{.dtype = 1, .shape = {2, 3}});
    std::vector<std::pair<std::string, std::string>> pairs;
    uint64_t offset = 0;
    for (const auto& cut : cuts) {
      std::string slice;
      for (const auto& [start, length] : cut) {
        const std::string extent{'\x08', static_cast<char>(start), '\x10', static_cast<char>(*length)};
        slice += str("\x0a\x04", extent);
      }
      whole += str("\x3a", static_cast<char>(slice.size()), slice);
      const std::vector<int64_t> shape{*cut[0].length, cut.size() > 1 ? *cut[1].length : 1};
      const auto size = static_cast<uint64_t>(4 * shape[0] * shape[1]);
      const TfBundleEntry part{.dtype = 1, .shape = shape, .offset = offset, .size_bytes = size};
      if (with_parts) pairs.emplace_back(detail::slice_key("a", cut), serialize(part));
      offset += size;
    }
    std::sort(pairs.begin(), pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end(), [](auto& a, auto& b) { return a.first == b.first; }),
                pairs.end());
    detail::TfTableWriter writer;
    writer.add("", serialize(detail::TfBundleHeader{1, 1}));
    for (const auto& [key, value] : pairs) writer.add(key, value);
    writer.add("a", whole);
    return writer.finish();
  }
};

TEST_F(BuiltSlices, JoinsThem) {
  const auto reader = open_checkpoint(write(slices_table({{{0, 2}, {0, 1}}, {{0, 2}, {1, 2}}})));
  EXPECT_EQ(reader->bytes(reader->entries()[0]).bytes.size(), 24U);
}

TEST_F(BuiltSlices, RefusesThoseThatDoNotCoverTheWhole) {
  EXPECT_THAT(refusal_of(slices_table({{{0, 2}, {0, 1}}})), HasSubstr("up to 1 of 3"));
  EXPECT_THAT(refusal_of(slices_table({{{0, 2}, {0, 1}}, {{0, 2}, {2, 1}}})), HasSubstr("gap or an overlap at 1"));
  EXPECT_THAT(refusal_of(slices_table({{{0, 2}, {0, 2}}, {{0, 2}, {1, 2}}})), HasSubstr("gap or an overlap at 2"));
  EXPECT_THAT(refusal_of(slices_table({{{0, 2}, {0, 2}}, {{0, 2}, {2, 2}}})), HasSubstr("beyond"));
  EXPECT_THAT(refusal_of(slices_table({{{0, 2}, {0, 3}}, {{0, 2}, {0, 3}}})), HasSubstr("twice"));
  EXPECT_THAT(refusal_of(slices_table({{{0, 1}, {0, 3}}, {{1, 1}, {0, 2}}, {{1, 1}, {2, 1}}})),
              HasSubstr("several axes"));
  EXPECT_THAT(refusal_of(slices_table({{{0, 2}}})), HasSubstr("a slice of 1"));
  EXPECT_THAT(refusal_of(slices_table({{{0, 2}, {0, 3}}}, false)), HasSubstr("does not hold"));
  EXPECT_THAT(refusal_of({{std::string("\0x", 2), entry()}}), HasSubstr("does not list"));
}

}  // namespace
}  // namespace transformers
