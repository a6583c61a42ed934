#include "transformers/checkpoint/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <chrono>

#include "gguf_builder.h"
#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/quants.h"

namespace transformers {
namespace {

using testing::GgufBuilder;
using testing::GgufType;
using ::testing::HasSubstr;
using testing::little_endian;
using testing::open_hostile;
using testing::TemporaryFolder;

// One of everything: strings, lists of strings and of lists' worth, plain and quantised tensors. The last tensor ends
// with the file.
GgufBuilder sample() {
  GgufBuilder builder;
  builder.text("general.architecture", "llama");
  builder.pair("general.alignment", GgufType::U32, little_endian(32, 4));
  builder.pair("llama.block_count", GgufType::U64, little_endian(2, 8));
  builder.pair("flag", GgufType::Bool, "\x01");
  builder.list("tokenizer.ggml.tokens", GgufType::String, {"a", "", "\xff\xfe", "word"});
  builder.list("tokenizer.ggml.scores", GgufType::F32, {little_endian(0x3f800000, 4), little_endian(0, 4)});
  builder.tensor({.name = "token_embd.weight", .dims = {32, 3}, .type = 8, .size_bytes = 102});
  builder.tensor({.name = "blk.0.attn_k.weight", .dims = {4, 2, 3}, .type = 0, .size_bytes = 96});
  builder.tensor({.name = "scalar", .dims = {}, .type = 1, .size_bytes = 2});
  builder.tensor({.name = "output.weight", .dims = {256, 2}, .type = 14, .size_bytes = 420});
  return builder;
}

std::string refusal(const TemporaryFolder& folder, std::string_view content) {
  const auto outcome = open_hostile(folder.write("model.gguf", content));
  EXPECT_TRUE(outcome.was_refused);
  return outcome.reason;
}

TEST(Gguf, ReadsWhatTheReferenceWrote) {
  const auto reader = open_checkpoint(testing::data_file("reference/small.gguf"));
  const auto expected = Json::parse_file(testing::data_file("reference/small.gguf.json"));
  ASSERT_EQ(reader->entries().size(), expected.size());
  EXPECT_EQ(reader->dialect(), "gguf");
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& row = expected.as_array()[i];
    const auto* entry = reader->find(row.at("name").as_string());
    ASSERT_TRUE(entry);
    EXPECT_EQ(to_lower_ascii(row.at("dtype").as_string()), entry->dtype == DataType::F32   ? "f32"
                                                           : entry->dtype == DataType::F16 ? "f16"
                                                           : entry->dtype == DataType::I32 ? "i32"
                                                                                           : info(entry->dtype).name);
    Json shape = Json::list();
    for (const int64_t dim : entry->shape) shape.push_back(dim);
    EXPECT_EQ(shape, row.at("shape")) << entry->name;
    EXPECT_EQ(static_cast<int64_t>(entry->offset), row.at("offset").as_int());
    EXPECT_EQ(static_cast<int64_t>(entry->size_bytes), row.at("size_bytes").as_int());
  }
}

TEST(Gguf, ReadsEveryTypeOfMetadata) {
  const Json metadata = read_gguf_metadata(testing::data_file("reference/small.gguf"));
  EXPECT_EQ(metadata.at("general.architecture"), Json("llama"));
  EXPECT_EQ(metadata.at("t.uint8"), Json(255));
  EXPECT_EQ(metadata.at("t.int8"), Json(-128));
  EXPECT_EQ(metadata.at("t.uint16"), Json(65535));
  EXPECT_EQ(metadata.at("t.int16"), Json(-32768));
  EXPECT_EQ(metadata.at("t.uint32"), Json(int64_t{4294967295}));
  EXPECT_EQ(metadata.at("t.int32"), Json(int64_t{-2147483648}));
  EXPECT_EQ(metadata.at("t.uint64"), Json(9223372036854775808.0)) << "above int64: a double";
  EXPECT_EQ(metadata.at("t.int64"), Json(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ(metadata.at("t.float32"), Json(static_cast<double>(1e-5F)));
  EXPECT_EQ(metadata.at("t.float64"), Json(1e-5));
  EXPECT_EQ(metadata.at("t.bool"), Json(true));
  EXPECT_EQ(metadata.at("t.string"), Json("h\u00e9 \U0001f600"));
  EXPECT_EQ(metadata.at("t.ints").dump(), "[1,-2,3]");
  EXPECT_EQ(metadata.at("t.floats").dump(), "[0.5,1.5]");
  EXPECT_EQ(metadata.at("t.strings"), Json(Json::Array{"a", "", "\u0120the"}));
  EXPECT_EQ(metadata.at("t.bools").dump(), "[true,false]");
}

TEST(Gguf, KeepsTokensThatAreNotUtf8) {
  const TemporaryFolder folder;
  const auto file = folder.write("model.gguf", sample().build());
  EXPECT_EQ(read_gguf_metadata(file).at("tokenizer.ggml.tokens").as_array().at(2), Json("\xff\xfe"));
  const auto reader = open_checkpoint(file);
  EXPECT_EQ(reader->find("token_embd.weight")->shape, (std::vector<int64_t>{3, 32}));
  EXPECT_EQ(reader->find("blk.0.attn_k.weight")->shape, (std::vector<int64_t>{3, 2, 4}));
  EXPECT_TRUE(reader->find("scalar")->shape.empty());
  EXPECT_EQ(reader->find("nothing"), nullptr);
}

TEST(Gguf, BytesOutliveTheReader) {
  const TemporaryFolder folder;
  auto reader = open_checkpoint(folder.write("model.gguf", sample().build()));
  const auto data = reader->bytes(*reader->find("output.weight"));
  reader.reset();
  EXPECT_EQ(data.bytes.back(), std::byte{1});
}

TEST(Gguf, ReadsMetadataOfAFileThatLacksItsTensors) {
  const TemporaryFolder folder;
  auto builder = sample();
  const auto whole = builder.build();
  size_t end = 0;  // of the metadata
  for (const auto& field : builder.fields())
    if (end == 0 && field.what == "length of a tensor name") end = field.at;
  const auto file = folder.write("model.gguf", whole.substr(0, end + 120));
  EXPECT_EQ(read_gguf_metadata(file).size(), 6U);
  EXPECT_TRUE(open_hostile(file).was_refused);
}

TEST(Gguf, ReadsAnEmptyTensorOfAFileThatEndsBeforeItsData) {
  const TemporaryFolder folder;
  GgufBuilder builder;
  const auto padded = builder.tensor({.name = "none", .dims = {4, 0}}).build();
  const auto& last = builder.fields().back();
  for (const auto& bytes : {padded, padded.substr(0, last.at + last.width)}) {
    const auto reader = open_checkpoint(folder.write("model.gguf", bytes));
    ASSERT_EQ(reader->entries().size(), 1U);
    EXPECT_EQ(reader->bytes(reader->entries()[0]).bytes.size(), 0U);
  }
}

TEST(Gguf, RefusesEveryTruncation) {  // the tensor that is larger than its file would be read out of the heap
  const TemporaryFolder folder;
  const auto whole = sample().build();
  EXPECT_FALSE(open_hostile(folder.write("model.gguf", whole)).was_refused);
  for (size_t size = 0; size < whole.size(); ++size)
    ASSERT_FALSE(refusal(folder, whole.substr(0, size)).empty()) << size << " of " << whole.size() << " bytes";
}

TEST(Gguf, RefusesHugeValuesInEveryField) {
  const TemporaryFolder folder;
  auto builder = sample();
  const auto whole = builder.build();
  for (const auto& field : builder.fields())
    for (const uint64_t value : testing::attack_values()) {
      if (field.width == 4 && (value & 0xffffffffU) <= 1) continue;  // wraps to a small one, see below
      SCOPED_TRACE(str(field.what, " = ", value));
      refusal(folder, testing::patched(whole, field.at, field.width, value));
    }
}

TEST(Gguf, StaysSafeWithSmallWrongValuesInEveryField) {
  const TemporaryFolder folder;
  auto builder = sample();
  const auto whole = builder.build();
  size_t refused = 0;
  for (const auto& field : builder.fields()) {
    const uint64_t old = static_cast<unsigned char>(whole[field.at]);
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, old - 1, old + 1, old + 8, 2 * old, whole.size()}) {
      SCOPED_TRACE(str(field.what, " = ", value));
      refused +=
          open_hostile(folder.write("model.gguf", testing::patched(whole, field.at, field.width, value))).was_refused;
    }
  }
  EXPECT_GT(refused, builder.fields().size()) << "most of them break the file";
}

TEST(Gguf, StaysSafeWithEveryByteChanged) {
  const TemporaryFolder folder;
  auto builder = sample();
  const auto whole = builder.build();
  for (size_t at = 0; at < builder.fields().back().at + 8; ++at)
    for (const int flip : {0x01, 0x80, 0xff}) {
      auto changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      SCOPED_TRACE(at);
      open_hostile(folder.write("model.gguf", changed));
    }
}

TEST(Gguf, StaysSafeWithEveryKeyOfEveryType) {
  const TemporaryFolder folder;
  auto builder = sample();
  const auto whole = builder.build();
  for (const auto& field : builder.fields()) {
    if (!field.what.starts_with("type of") && !field.what.starts_with("element type")) continue;
    for (uint64_t type = 0; type <= 16; ++type) {
      SCOPED_TRACE(str(field.what, " = ", type));
      open_hostile(folder.write("model.gguf", testing::patched(whole, field.at, field.width, type)));
    }
  }
}

TEST(Gguf, RefusesAnAlignmentThatIsNoPowerOfTwo) {
  const TemporaryFolder folder;
  for (const uint64_t alignment : {0ULL, 3ULL, 24ULL, 1ULL << 31, 0xffffffffULL}) {
    GgufBuilder builder;
    builder.pair("general.alignment", GgufType::U32, little_endian(alignment, 4));
    builder.tensor({.name = "x", .dims = {1}, .size_bytes = 4});
    EXPECT_THAT(refusal(folder, builder.build()), HasSubstr("power of two")) << alignment;
  }
  GgufBuilder as_text, as_float;
  as_text.text("general.alignment", "32");
  EXPECT_THAT(refusal(folder, as_text.build()), HasSubstr("'general.alignment' is a string"));
  as_float.pair("general.alignment", GgufType::F32, little_endian(std::bit_cast<uint32_t>(32.0F), 4));
  EXPECT_THAT(refusal(folder, as_float.build()), HasSubstr("'general.alignment' is a float"));
}

TEST(Gguf, HonoursAnotherAlignment) {
  const TemporaryFolder folder;
  GgufBuilder builder;
  builder.alignment = 256;
  builder.pair("general.alignment", GgufType::U32, little_endian(256, 4));
  builder.tensor({.name = "x", .dims = {1}, .size_bytes = 4}).tensor({.name = "y", .dims = {1}, .size_bytes = 4});
  const auto reader = open_checkpoint(folder.write("model.gguf", builder.build()));
  EXPECT_EQ(reader->find("y")->offset - reader->find("x")->offset, 256U);
}

TEST(Gguf, ReadsBlockRowsOnlyWhenTheyAreWhole) {  // rows that fill a part of a block overran the heap elsewhere
  const TemporaryFolder folder;
  for (const auto& type : data_types()) {
    if (type.gguf < 0) continue;
    for (uint64_t last = 16; last <= 512; last += 16) {
      GgufBuilder builder;
      const bool is_whole = last % static_cast<uint64_t>(type.block_elements) == 0;
      const uint64_t blocks = 2 * last / static_cast<uint64_t>(type.block_elements);
      builder.tensor({.name = "x",
                      .dims = {last, 2},
                      .type = static_cast<uint32_t>(type.gguf),
                      .size_bytes = (blocks + 1) * static_cast<uint64_t>(type.block_bytes)});
      const auto outcome = open_hostile(folder.write("model.gguf", builder.build()));
      EXPECT_EQ(outcome.was_refused, !is_whole) << type.name << " rows of " << last << ' ' << outcome.reason;
    }
  }
}

TEST(Gguf, RefusesDimensionsWhoseProductWraps) {
  const TemporaryFolder folder;
  const std::vector<std::vector<uint64_t>> shapes{
      {(1ULL << 42) + 1, 1ULL << 22}, {1ULL << 32, 1ULL << 32}, {1ULL << 62, 4}, {1ULL << 61, 2},
      {1ULL << 62, 1ULL << 62, 0, 1}, {1, 1, 1, 1ULL << 63}};
  for (const auto& dims : shapes) {
    GgufBuilder builder;
    builder.tensor({.name = "x", .dims = dims, .size_bytes = 64});
    EXPECT_THAT(refusal(folder, builder.build()), HasSubstr("'x'"));
  }
}

struct Case {
  const char* what;
  const char* reason;
  GgufBuilder builder;
};

std::vector<Case> structural_cases() {
  std::vector<Case> cases;
  const auto add = [&](const char* what, const char* reason) -> GgufBuilder& {
    return cases.emplace_back(Case{what, reason, {}}).builder;
  };
  add("version 1", "version 1").version = 1;
  add("version 4", "version 4").version = 4;
  add("big-endian", "big-endian").version = 0x03000000;
  add("key twice", "'k' occurs twice").text("k", "1").text("k", "2");
  add("empty key", "is empty").text("", "1");
  add("NUL in key", "NUL").text(std::string_view("a\0b", 3), "1");
  add("key not UTF-8", "UTF-8").text("\xff", "1");
  add("bool of 2", "the bool 2").pair("k", GgufType::Bool, "\x02");
  add("tensor twice", "'x' occurs twice")
      .tensor({.name = "x", .dims = {1}, .size_bytes = 4})
      .tensor({.name = "x", .dims = {1}, .size_bytes = 4});
  add("five dimensions", "at most 4").tensor({.name = "x", .dims = {1, 1, 1, 1, 1}, .size_bytes = 4});
  add("unknown type", "ggml type 16").tensor({.name = "x", .dims = {32}, .type = 16, .size_bytes = 18});
  add("removed type", "ggml type 4").tensor({.name = "x", .dims = {32}, .type = 4, .size_bytes = 18});
  add("unaligned tensor", "multiple of 32").tensor({.name = "x", .dims = {1}, .size_bytes = 4, .offset = 4});
  add("overlap", "overlaps")
      .tensor({.name = "x", .dims = {16}, .size_bytes = 64})
      .tensor({.name = "y", .dims = {16}, .size_bytes = 64, .offset = 32});
  add("same place", "overlaps")
      .tensor({.name = "x", .dims = {16}, .size_bytes = 64})
      .tensor({.name = "y", .dims = {16}, .size_bytes = 64, .offset = 0});
  add("split file", "3 parts").pair("split.count", GgufType::U16, little_endian(3, 2));
  return cases;
}

TEST(Gguf, RefusesWhatTheFormatForbids) {
  const TemporaryFolder folder;
  for (auto& [what, reason, builder] : structural_cases()) {
    SCOPED_TRACE(what);
    EXPECT_THAT(refusal(folder, builder.build()), HasSubstr(reason));
  }
  EXPECT_THAT(refusal(folder, "not a model at all"), HasSubstr("does not begin with 'GGUF'"));
}

TEST(Gguf, LimitsNestedLists) {
  const TemporaryFolder folder;
  for (const size_t depth : {1, 4, 5, 100000}) {
    std::string value;  // after the outermost type and length: `depth - 1` further levels, the last one empty
    for (size_t i = 1; i < depth; ++i) value += little_endian(GgufType::Array, 4) + little_endian(1, 8);
    value += little_endian(GgufType::U8, 4) + little_endian(0, 8);
    GgufBuilder builder;
    builder.pair("k", GgufType::Array, value);
    EXPECT_EQ(open_hostile(folder.write("model.gguf", builder.build())).was_refused, depth > 4) << depth;
  }
}

TEST(Gguf, LimitsTheNumberOfListElements) {  // forty bytes in memory for each
  const TemporaryFolder folder;
  const std::tuple<GgufType, size_t, size_t> limits[] = {{GgufType::U8, 1, size_t{1} << 19},
                                                         {GgufType::Bool, 1, size_t{1} << 19},
                                                         {GgufType::I16, 2, size_t{1} << 19},
                                                         {GgufType::F32, 4, size_t{1} << 21},
                                                         {GgufType::I64, 8, size_t{1} << 21}};
  for (const auto& [type, width, most] : limits) {
    const auto file_with = [&, t = type, w = width](size_t count) {
      GgufBuilder builder;  // in two lists: what counts is the sum
      for (const size_t part : {count / 2, count - count / 2})
        builder.pair(str("k", part), GgufType::Array,
                     little_endian(t, 4) + little_endian(part, 8) + std::string(part * w, '\0'));
      return folder.write("model.gguf", builder.build());
    };
    const auto file = file_with(most + 1);
    const testing::AllocationWatch watch;
    EXPECT_THROW(static_cast<void>(read_gguf_metadata(file)), OSError) << type;
    EXPECT_LE(watch.largest(), 44 * (most / 2 + 1)) << type;
    EXPECT_EQ(read_gguf_metadata(file_with(most - 1)).size(), 2U) << type;
  }
}

TEST(Gguf, ReadsALargeVocabularyQuickly) {
  const TemporaryFolder folder;
  std::vector<std::string> tokens;
  for (int i = 0; i < 200000; ++i) tokens.push_back(str("token", i));
  GgufBuilder builder;
  builder.list("tokenizer.ggml.tokens", GgufType::String, tokens);
  const auto file = folder.write("model.gguf", builder.build());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(read_gguf_metadata(file).at("tokenizer.ggml.tokens").size(), tokens.size());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "quadratic work takes minutes";
}

}  // namespace
}  // namespace transformers
