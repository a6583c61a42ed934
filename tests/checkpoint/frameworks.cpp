#include "frameworks.h"

#include <gtest/gtest.h>

#include "support.h"
#include "transformers/base/strings.h"

namespace transformers::testing {

namespace fs = std::filesystem;

fs::path formats_file(std::string_view name) {
  return fs::path(TRANSFORMERS_TEST_DATA) / "formats" / std::string(name);
}

uint32_t crc32(std::span<const std::byte> bytes) {
  uint32_t sum = ~uint32_t{0};
  for (const auto byte : bytes) {
    sum ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320U : 0U);
  }
  return ~sum;
}

static void expect_row(const CheckpointReader& reader, const Json& row) {
  const auto& name = row.at("name").as_string();
  const auto* entry = reader.find(name);
  ASSERT_TRUE(entry) << name;
  EXPECT_EQ(info(entry->dtype).name, row.at("dtype").as_string()) << name;
  std::vector<int64_t> shape;
  for (const auto& dim : row.at("shape").as_array()) shape.push_back(dim.as_int());
  EXPECT_EQ(entry->shape, shape) << name;
  EXPECT_EQ(crc32(reader.bytes(*entry).bytes), static_cast<uint32_t>(row.at("crc32").as_int())) << name;
}

void expect_rows(const CheckpointReader& reader, const Json& rows, bool in_order) {
  ASSERT_EQ(reader.entries().size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const Json& row = rows.as_array()[i];
    expect_row(reader, row);
    if (in_order) {
      EXPECT_EQ(reader.entries()[i].name, row.at("name").as_string());
    }
  }
}

fs::path written_files(const fs::path& otherwise) {
  const auto folder = environment("TRANSFORMERS_WRITTEN_FILES");
  if (folder.empty()) return otherwise;
  fs::create_directories(folder);
  return folder;
}

void expect_no_harm(std::string_view content, std::string_view name, size_t step) {
  const TemporaryFolder folder;
  for (size_t size = 1; size < content.size(); size += step)
    EXPECT_TRUE(open_hostile(folder.write(name, content.substr(0, size))).was_refused) << size << " bytes";
  for (size_t at = 0; at < content.size(); at += step)
    for (const uint64_t value : attack_values())
      for (const size_t width : {size_t{1}, size_t{4}, size_t{8}})
        if (at + width <= content.size())
          static_cast<void>(open_hostile(folder.write(name, patched(std::string(content), at, width, value))));
}

}  // namespace transformers::testing
