// docs/int8.md, read back.
#include "transformers/mapping/int8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "scratch_folder.h"
#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/mapping/config_check.h"
#include "transformers/mapping/convert.h"
#include "transformers/mapping/dialects.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

const fs::path kFormats = fs::path(TRANSFORMERS_TEST_DATA) / "formats";

class Int8 : public testing::ScratchFolder {
 protected:
  // A file with one matrix of two rows and these scales.
  [[nodiscard]] fs::path file_with(const std::vector<float>& scales, DataType scale_type = DataType::F32) const {
    static const std::vector<int8_t> kValues = {127, -127, 1, 0, 64, -1};
    const auto bytes_of = [](const auto& values) {
      return [&values] { return SharedBytes{std::as_bytes(std::span(values)), nullptr}; };
    };
    std::vector<CheckpointWriteEntry> entries = {
        {.name = "w", .dtype = DataType::I8, .shape = {2, 3}, .bytes = bytes_of(kValues)}};
    if (!scales.empty())
      entries.push_back({.name = "w_scale",
                         .dtype = scale_type,
                         .shape = {static_cast<int64_t>(scales.size())},
                         .bytes = bytes_of(scales)});
    Json metadata = Json::object();
    metadata["format"] = kInt8Format;
    write_safetensors(at("w.safetensors"), entries, metadata);
    return at("w.safetensors");
  }
};

std::vector<float> floats(const CheckpointReader& reader, std::string_view name) {
  const auto data = reader.bytes(*reader.find(name));
  std::vector<float> out(data.bytes.size() / sizeof(float));
  std::memcpy(out.data(), data.bytes.data(), data.bytes.size());
  return out;
}

std::string refusal(const fs::path& file) {
  try {
    const auto reader = expand_int8(open_checkpoint(file));
    (void)reader->bytes(*reader->find("w"));
  } catch (const OSError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST_F(Int8, IsExpandedRowByRow) {
  const auto reader = expand_int8(open_checkpoint(file_with({0.5f, 2.0f})));
  ASSERT_EQ(reader->entries().size(), 1U) << "scales are no entries";
  EXPECT_EQ(reader->entries()[0].dtype, DataType::F32);
  EXPECT_EQ(reader->entries()[0].size_bytes, 24U);
  EXPECT_EQ(floats(*reader, "w"), (std::vector<float>{63.5f, -63.5f, 0.5f, 0.0f, 128.0f, -2.0f}));
  EXPECT_EQ(dialect_of(*reader).name, "transformers");
}

TEST_F(Int8, IsRefusedWithoutFittingScales) {
  EXPECT_THAT(refusal(file_with({})), AllOf(HasSubstr("w.safetensors"), HasSubstr("'w'"), HasSubstr("no scales")));
  EXPECT_THAT(refusal(file_with({1.0f})), HasSubstr("F32 of 2 values"));
  EXPECT_THAT(refusal(file_with({1.0f, 2.0f}, DataType::I32)), HasSubstr("F32 of 2 values"));
  EXPECT_THAT(refusal(file_with({1.0f, std::numeric_limits<float>::infinity()})), HasSubstr("row 1"));
}

TEST_F(Int8, ConfigsOfAnotherFormAreRefused) {
  EXPECT_TRUE(is_int8_config(int8_config(), "config.json"));
  EXPECT_FALSE(is_int8_config(Json(Json::Object{{"quant_method", "gptq"}}), "config.json"));
  auto wider = int8_config();
  wider["bits"] = 4;
  EXPECT_THROW((void)is_int8_config(wider, "config.json"), ValueError);
}

// From whole files and from shards; what comes back is within half a step of each row.
TEST_F(Int8, ConvertsBackWithinItsError) {
  const auto source = kFormats / "bert/pytorch";
  const auto before = open_checkpoint(*find_weights(source));
  for (const bool is_sharded : {false, true}) {
    ConvertOptions options{.quantize = "int8"};
    if (is_sharded) options.max_shard_size = "2KB";
    const auto name = is_sharded ? std::string("sharded") : std::string("whole");
    const auto report = convert_checkpoint(source, at(name), options);
    EXPECT_EQ(report.files.size() > 1, is_sharded);
    const auto config = Json::parse_file(at(name) / "config.json");
    EXPECT_TRUE(check_config(*open_checkpoint(*find_weights(at(name))), config).empty()) << "inspect --verify";
    (void)convert_checkpoint(at(name), at(name + "-back"), {.to = "safetensors"});
    EXPECT_FALSE(Json::parse_file(at(name + "-back") / "config.json").contains("quantization_config"));
    const auto after = open_checkpoint(*find_weights(at(name + "-back")));
    ASSERT_EQ(after->entries().size(), before->entries().size());
    for (const auto& entry : before->entries()) {
      ASSERT_TRUE(after->find(entry.name)) << entry.name;
      if (entry.dtype != DataType::F32) continue;
      const auto was = floats(*before, entry.name), is = floats(*after, entry.name);
      const size_t columns = entry.shape.size() == 2 ? static_cast<size_t>(entry.shape[1]) : 1;
      for (size_t row = 0; row * columns < was.size(); ++row) {
        float largest = 0;
        for (size_t i = row * columns; i < (row + 1) * columns; ++i) largest = std::max(largest, std::abs(was[i]));
        const float step = entry.shape.size() == 2 ? largest / 127 : 0;
        for (size_t i = row * columns; i < (row + 1) * columns; ++i)
          ASSERT_LE(std::abs(was[i] - is[i]), step / 2 + largest * 1e-6f) << entry.name << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace transformers
