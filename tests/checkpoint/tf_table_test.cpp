#include "transformers/checkpoint/detail/tf_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"
#include "tf_table_builder.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/crc32c.h"
#include "transformers/checkpoint/detail/snappy.h"
#include "transformers/checkpoint/detail/varint.h"

namespace transformers {
namespace {

using detail::crc32c;
using detail::expand_snappy;
using ::testing::HasSubstr;
using namespace std::string_literals;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string refusal(std::string_view table) {
  const testing::AllocationWatch watch;
  try {
    detail::read_tf_table(bytes_of(table), "m.index", [](auto, auto) {});
  } catch (const OSError& error) {
    EXPECT_LE(watch.largest(), 16 * table.size() + (64 << 10));
    return error.what();
  }
  ADD_FAILURE() << "was read";
  return "";
}

TEST(Crc32c, HasTheValuesOfItsStandard) {  // RFC 3720, B.4
  for (auto* function : {crc32c, detail::crc32c_portable}) {
    EXPECT_EQ(function(bytes_of("123456789"), 0), 0xe3069283U);
    EXPECT_EQ(function(bytes_of(std::string(32, '\0')), 0), 0x8a9136aaU);
    EXPECT_EQ(function(bytes_of(std::string(32, '\xff')), 0), 0x62a8ab43U);
    EXPECT_EQ(function(bytes_of("6789"), function(bytes_of("12345"), 0)), 0xe3069283U);
    EXPECT_EQ(function({}, 0), 0U);
  }
}

TEST(Snappy, ExpandsLiteralsAndCopies) {
  EXPECT_EQ(expand_snappy("\x00"s), "");
  EXPECT_EQ(expand_snappy("\x03\x08"
                          "abc"),
            "abc");
  EXPECT_EQ(expand_snappy("\x08\x00"
                          "a\x0d\x01"s),
            "aaaaaaaa");
  EXPECT_EQ(expand_snappy("\x09\x00"
                          "a\x0d\x01"s),
            std::nullopt)
      << "one byte is lacking";
  EXPECT_EQ(expand_snappy("\x06\x04"
                          "ab\x01\x02"s),
            "ababab");
  EXPECT_EQ(expand_snappy("\x06\x04"
                          "ab\x0f\x02\x00\x00\x00"s),
            "ababab");
  EXPECT_EQ(expand_snappy("\x03\xf0\x02"
                          "abc"),
            "abc")
      << "a length behind the tag";
}

TEST(Snappy, RefusesWhatReachesOutside) {
  EXPECT_EQ(expand_snappy(""), std::nullopt);
  EXPECT_EQ(expand_snappy("\xff\xff\xff\xff\x0f\x00"
                          "a"s),
            std::nullopt)
      << "announces too much";
  EXPECT_EQ(expand_snappy("\x06\x04"
                          "ab\x01\x03"s),
            std::nullopt)
      << "before the beginning";
  EXPECT_EQ(expand_snappy("\x06\x04"
                          "ab\x01\x00"s),
            std::nullopt)
      << "distance zero";
  EXPECT_EQ(expand_snappy("\x05\x04"
                          "ab\x01\x02"s),
            std::nullopt)
      << "more than announced";
  EXPECT_EQ(expand_snappy("\x03\x08"
                          "ab"),
            std::nullopt)
      << "cut literal";
  EXPECT_EQ(expand_snappy("\x03\xfc\xff\xff\xff\xff"
                          "ab"s),
            std::nullopt)
      << "long cut literal";
  EXPECT_EQ(expand_snappy("\x06\x04"
                          "ab\x02\x02"s),
            std::nullopt)
      << "cut copy";
}

TEST(TfTable, ReadsBackManyBlocks) {
  detail::TfTableWriter writer;
  std::vector<std::string> keys;
  for (int i = 0; i < 20000; ++i) keys.push_back(str("layer_", 100000 + i, "/attention/self/query/kernel"));
  for (const auto& key : keys) writer.add(key, str("value of ", key));
  const auto table = writer.finish();
  EXPECT_GT(table.size(), size_t{3} * (256 << 10)) << "or it is one block";
  size_t next = 0;
  detail::read_tf_table(bytes_of(table), "m.index", [&](std::string_view key, std::string_view value) {
    ASSERT_LT(next, keys.size());
    EXPECT_EQ(key, keys[next++]);
    EXPECT_EQ(value, str("value of ", key));
  });
  EXPECT_EQ(next, keys.size());
}

TEST(TfTable, RefusesMalformedBlocks) {
  using testing::table_of;
  EXPECT_THAT(refusal(table_of({"\0\0\0"s})), HasSubstr("has no end"));
  EXPECT_THAT(refusal(table_of({"\0\0\0\0\2\0\0\0"s})), HasSubstr("restarts"));
  EXPECT_THAT(refusal(table_of({"\0\0\0\0\xff\xff\xff\xff"s})), HasSubstr("restarts"));
  EXPECT_THAT(refusal(table_of({"\0\x05\0ab\0\0\0\0"s})), HasSubstr("does not fit"));
  EXPECT_THAT(refusal(table_of({"\1\1\0b\0\0\0\0"s})), HasSubstr("does not fit"));
  EXPECT_THAT(refusal(table_of({"\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1b\0\0\0\0"s})), HasSubstr("does not fit"));
  EXPECT_THAT(refusal(table_of({"\0\1\0b\0\1\0b\0\0\0\0"s})), HasSubstr("do not ascend"));
  EXPECT_THAT(refusal(table_of({"\0\1\0b\1\0\0\0\0\0\0"s})), HasSubstr("do not ascend"));
  EXPECT_THAT(refusal(table_of({"\0\1\0b\0\0\0\0"s, "\0\1\0a\0\0\0\0"s})), HasSubstr("do not ascend"));
  EXPECT_THAT(refusal(table_of({"\0\1\0b\0\0\0\0"s}, 7)), HasSubstr("unknown way"));
  EXPECT_THAT(refusal(table_of({"\x7f\0"s}, 1)), HasSubstr("Snappy"));
  auto wrong = table_of({"\0\1\0b\0\0\0\0"s});
  wrong[3] = 'c';
  EXPECT_THAT(refusal(wrong), HasSubstr("checksum"));
}

TEST(TfTable, RefusesKeysThatGrowBeyondTheFile) {
  std::string huge, block;
  block = "\0"s;
  detail::append_varint(block, 30000);
  block += "\0"s + std::string(30000, 'a');
  for (int i = 0; i < 2000; ++i) {  // each borrows all of the one before and adds a letter
    detail::append_varint(block, static_cast<uint64_t>(30000 + i));
    block += "\1\0a"s;
  }
  EXPECT_THAT(refusal(testing::table_of({block + "\0\0\0\0"s})), HasSubstr("many times"));
  huge = "\0"s;
  detail::append_varint(huge, 70000);
  EXPECT_THAT(refusal(testing::table_of({huge + "\0"s + std::string(70000, 'a') + "\0\0\0\0"s})),
              HasSubstr("at most 65536"));
}

TEST(TfTable, RefusesABlockReadTwice) {
  EXPECT_THAT(refusal(testing::table_of({"\0\0\0\0"s}, 0, 3)), HasSubstr("overlaps"));
}

TEST(TfTable, RefusesHandlesOutsideTheFile) {
  const auto table = testing::table_of({"\0\1\0b\0\0\0\0"s});
  for (const uint64_t value : testing::attack_values()) {
    std::string footer;
    for (int i = 0; i < 4; ++i) detail::append_varint(footer, i < 2 ? 0 : value);
    footer.resize(40);
    auto bad = table;
    EXPECT_THAT(refusal(bad.replace(bad.size() - 48, 40, footer)), HasSubstr("outside the file"));
  }
}

}  // namespace
}  // namespace transformers
