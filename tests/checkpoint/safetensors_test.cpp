#include "transformers/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "support.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {
namespace {

using ::testing::HasSubstr;
using testing::little_endian;
using testing::open_hostile;
using testing::TemporaryFolder;

std::string with_length(std::string_view header, std::string_view data) {
  return str(little_endian(header.size(), 8), header, data);
}

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return str("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets, "}");
}

// Two tensors and metadata, 24 bytes of data.
std::string sample() {
  return with_length(str("{\"__metadata__\":{\"format\":\"pt\"},", entry("b", "F32", "[2,2]", "[0,16]"), ",",
                         entry("a", "F16", "[4]", "[16,24]"), "}  "),
                     std::string(24, '\x02'));
}

std::string refusal(const TemporaryFolder& folder, std::string_view content) {
  const auto outcome = open_hostile(folder.write("model.safetensors", content));
  EXPECT_TRUE(outcome.was_refused) << content;
  return outcome.reason;
}

TEST(Safetensors, ReadsEveryDtypeTheReferenceWrote) {  // S07
  const auto reader = open_checkpoint(testing::data_file("reference/all_dtypes.safetensors"));
  EXPECT_EQ(reader->dialect(), "transformers");
  EXPECT_EQ(reader->metadata(), Json(Json::Object{{"format", "pt"}}));
  for (const auto& type : data_types()) {
    if (type.safetensors.empty()) continue;
    const auto* found = reader->find(str("t.", type.name));
    ASSERT_TRUE(found) << type.name;
    EXPECT_EQ(found->dtype, type.type);
    EXPECT_EQ(found->shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(reader->bytes(*found).bytes.size(), 6U * static_cast<size_t>(type.block_bytes));
  }
  EXPECT_TRUE(reader->find("b.float32")->shape.empty());
  EXPECT_EQ(reader->find("a.float32")->size_bytes, 0U);
  const auto* odd = reader->find("\"quote\" \\ \n\x01 \u00e9\u20ac\U0001f600/\x7f");
  ASSERT_TRUE(odd);
  EXPECT_EQ(reader->bytes(*odd).bytes[0], std::byte{42});
  EXPECT_EQ(open_checkpoint(testing::data_file("reference/no_tensors.safetensors"))->entries().size(), 0U);
}

TEST(Safetensors, ListsEntriesInFileOrder) {
  const TemporaryFolder folder;
  const auto reader = open_checkpoint(folder.write("model.safetensors", sample()));
  ASSERT_EQ(reader->entries().size(), 2U);
  EXPECT_EQ(reader->entries()[0].name, "b");
  EXPECT_LT(reader->entries()[0].offset, reader->entries()[1].offset);
}

TEST(Safetensors, BytesOutliveTheReaderAndTheFile) {  // S07: no copy
  const TemporaryFolder folder;
  const auto file = folder.write("model.safetensors", sample());
  auto reader = open_checkpoint(file);
  const auto data = reader->bytes(*reader->find("a"));
  const auto again = reader->bytes(*reader->find("a"));
  EXPECT_EQ(data.bytes.data(), again.bytes.data());
  reader.reset();
  std::filesystem::remove(file);
  EXPECT_EQ(data.bytes.back(), std::byte{2});
}

TEST(Safetensors, RefusesEveryTruncation) {  // S07
  const TemporaryFolder folder;
  const auto whole = sample();
  EXPECT_FALSE(open_hostile(folder.write("model.safetensors", whole)).was_refused);
  for (size_t size = 0; size < whole.size(); ++size) refusal(folder, whole.substr(0, size));
  EXPECT_THAT(
      refusal(folder, whole.substr(0, whole.size() - 1)),
      HasSubstr(str("has ", whole.size() - 1, " bytes, the header expects ", whole.size(), ": it was cut short")));
}

TEST(Safetensors, RefusesTrailingBytes) {  // S07
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder, sample() + "x"), HasSubstr("1 bytes after the last tensor"));
}

TEST(Safetensors, RefusesWrongHeaderLengths) {  // S07
  const TemporaryFolder folder;
  const auto whole = sample();
  const uint64_t honest = static_cast<unsigned char>(whole[0]);
  for (const uint64_t length : testing::attack_values()) refusal(folder, testing::patched(whole, 0, 8, length));
  for (uint64_t length = 0; length <= whole.size() + 1; ++length)
    if (length != honest && length + 1 != honest && length + 2 != honest)  // the header ends with two blanks
      refusal(folder, testing::patched(whole, 0, 8, length));
  EXPECT_THAT(refusal(folder, testing::patched(whole, 0, 8, kSafetensorsMostHeaderBytes + 1)), HasSubstr("100000000"));
  EXPECT_THAT(refusal(folder, testing::patched(whole, 0, 8, kSafetensorsMostHeaderBytes)), HasSubstr("cut short"));
}

TEST(Safetensors, RefusesNumbersThatAreNoSizes) {  // S07
  const TemporaryFolder folder;
  for (const char* bad : {"-1", "1.0", "1e0", "01", "+1", "9223372036854775808", "18446744073709551615",
                          "18446744073709551616", "1e400", "null", "\"1\"", "true", "[1]", "{}", "NaN", ""}) {
    SCOPED_TRACE(bad);
    refusal(folder, with_length(str("{", entry("a", "U8", str("[", bad, ",1]"), "[0,1]"), "}"), "x"));
    refusal(folder, with_length(str("{", entry("a", "U8", "[1]", str("[", bad, ",1]")), "}"), "x"));
    refusal(folder, with_length(str("{", entry("a", "U8", "[1]", str("[0,", bad, "]")), "}"), "x"));
  }
}

struct Case {
  const char* what;
  std::string header;
  const char* reason;
};

std::vector<Case> bad_layouts() {
  const auto two = [](std::string_view first, std::string_view second) {
    return str("{", entry("a", "U8", "[4]", first), ",", entry("b", "U8", "[4]", second), "}");
  };
  return {
      {"overlap", two("[0,4]", "[2,6]"), "'b' overlaps"},
      {"same bytes", two("[0,4]", "[0,4]"), "overlaps"},
      {"gap", two("[0,4]", "[5,9]"), "'b' begins at byte 5 of the data, expected 4"},
      {"gap at the start", two("[1,5]", "[5,9]"), "'a' begins at byte 1"},
      {"beyond the file", two("[0,4]", "[8,12]"), "begins at byte 8"},
      {"reversed offsets", two("[0,4]", "[8,4]"), "'data_offsets'"},
      {"one offset", two("[0,4]", "[4]"), "'data_offsets'"},
      {"three offsets", two("[0,4]", "[4,8,9]"), "'data_offsets'"},
      {"too few bytes for the shape", two("[0,4]", "[4,7]"), "has 3 bytes of data, uint8 of shape [4] takes 4"},
      {"end wraps", two("[0,4]", "[4,18446744073709551615]"), "'b'"},
      {"shape product wraps", str("{", entry("a", "U8", "[4294967296,4294967296]", "[0,8]"), "}"), "overflows"},
      {"shape product wraps to 8", str("{", entry("a", "U8", "[4398046511105,4194304]", "[0,8]"), "}"), "overflows"},
      {"bytes wrap", str("{", entry("a", "F64", "[2305843009213693953]", "[0,8]"), "}"), "overflows"},
      {"a zero hides a wrap", str("{", entry("a", "U8", "[0,4294967296,4294967296]", "[0,0]"), "}"), "overflows"},
  };
}

std::vector<Case> bad_headers() {
  const auto good = entry("a", "U8", "[8]", "[0,8]");
  return {
      {"no object", "[]", "does not begin with '{'"},
      {"blank first", " {" + good + "}", "does not begin with '{'"},
      {"no JSON", "{" + good, "not the JSON"},
      {"text behind", "{" + good + "}{}", "not the JSON"},
      {"NUL padding", str("{", good, "}", std::string_view("\0\0", 2)), "not the JSON"},
      {"comment", "{/**/" + good + "}", "not the JSON"},
      {"trailing comma", "{" + good + ",}", "not the JSON"},
      {"invalid UTF-8", "{" + entry("a\xff", "U8", "[8]", "[0,8]") + "}", "not the JSON"},
      {"overlong UTF-8", "{" + entry("\xc0\xaf", "U8", "[8]", "[0,8]") + "}", "not the JSON"},
      {"lone surrogate", "{" + entry("\\ud800", "U8", "[8]", "[0,8]") + "}", "not the JSON"},
      {"raw control character", "{" + entry("\n", "U8", "[8]", "[0,8]") + "}", "not the JSON"},
      {"NUL in a name", "{" + entry("a\\u0000b", "U8", "[8]", "[0,8]") + "}", "NUL"},
      {"name twice", "{" + good + "," + good + "}", "'a' occurs twice"},
      {"name twice, escaped", "{" + good + "," + entry("\\u0061", "U8", "[0]", "[8,8]") + "}", "'a' occurs twice"},
      {"metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}," + good + "}", "occurs twice"},
      {"metadata key twice", R"({"__metadata__":{"k":"1","k":"2"},)" + good + "}", "'k' twice"},
      {"metadata of a number", R"({"__metadata__":{"k":1},)" + good + "}", "an object of strings"},
      {"metadata no object", R"({"__metadata__":"k",)" + good + "}", "an object of strings"},
      {"tensor no object", R"({"a":3})", "expected an object"},
      {"field missing", R"({"a":{"dtype":"U8","shape":[8]}})", "lacks one of"},
      {"field twice", R"({"a":{"dtype":"U8","shape":[8],"shape":[8],"data_offsets":[0,8]}})", "'shape' twice"},
      {"dtype no string", R"({"a":{"dtype":3,"shape":[8],"data_offsets":[0,8]}})", "'dtype'"},
      {"unknown dtype", "{" + entry("a", "Q4_0", "[8]", "[0,8]") + "}", "unknown dtype 'Q4_0'; known are BOOL"},
      {"dtype of ours", "{" + entry("a", "uint8", "[8]", "[0,8]") + "}", "unknown dtype"},
      {"shape no list", "{" + entry("a", "U8", "8", "[0,8]") + "}", "'shape'"},
  };
}

TEST(Safetensors, RefusesTensorsThatDoNotCoverTheData) {  // S07
  const TemporaryFolder folder;
  for (const auto& [what, header, reason] : bad_layouts()) {
    SCOPED_TRACE(what);
    EXPECT_THAT(refusal(folder, with_length(header, std::string(8, 'x'))), HasSubstr(reason));
  }
}

TEST(Safetensors, RefusesHeadersThatAreNotItsJson) {  // S07
  const TemporaryFolder folder;
  for (const auto& [what, header, reason] : bad_headers()) {
    SCOPED_TRACE(what);
    EXPECT_THAT(refusal(folder, with_length(header, std::string(8, 'x'))), HasSubstr(reason));
  }
}

TEST(Safetensors, AcceptsWhatTheReferenceAccepts) {
  const TemporaryFolder folder;
  const auto accept = [&](std::string_view header, std::string_view data) {
    const auto outcome = open_hostile(folder.write("model.safetensors", with_length(header, data)));
    EXPECT_FALSE(outcome.was_refused) << outcome.reason;
  };
  accept("{}", "");
  accept("{\"__metadata__\":null}", "");
  accept("{" + entry("", "U8", "[1]", "[0,1]") + "}\n\t ", "x");
  accept("{" + entry("empty", "F32", "[0,5]", "[0,0]") + "," + entry("a", "F32", "[]", "[0,4]") + "}", "1234");
  accept(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"later":[{"field":1}]}})", "x");
}

TEST(Safetensors, StaysSafeWithEveryByteChanged) {
  const TemporaryFolder folder;
  const auto whole = sample();
  for (size_t at = 0; at < whole.size() - 24; ++at)
    for (const char value : {'\0', '"', '}', '9', '-', '\xff'}) {
      auto changed = whole;
      changed[at] = value;
      SCOPED_TRACE(at);
      open_hostile(folder.write("model.safetensors", changed));
    }
}

TEST(Safetensors, RefusesDeepNestingWithoutRecursing) {
  const TemporaryFolder folder;
  for (const size_t depth : {1000, 2000000}) {
    const auto file = folder.write("model.safetensors", with_length("{\"a\":" + std::string(depth, '['), ""));
    EXPECT_THROW(static_cast<void>(open_checkpoint(file)), OSError);
  }
}

TEST(Safetensors, ReadsAHundredThousandEntriesInLinearTime) {
  const TemporaryFolder folder;
  std::string header = "{";
  for (int i = 0; i < 100000; ++i)
    header += str(i ? "," : "", entry(str("layer.", i), "U8", "[1]", str("[", i, ",", i + 1, "]")));
  const auto file = folder.write("model.safetensors", with_length(header + "}", std::string(100000, 'x')));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(open_checkpoint(file)->entries().size(), 100000U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "quadratic work takes minutes";
}

}  // namespace
}  // namespace transformers
