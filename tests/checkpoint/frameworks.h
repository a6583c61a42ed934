#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers::testing {

/// A file of tests/data/formats.
std::filesystem::path formats_file(std::string_view name);

/// The CRC-32 that zlib computes.
uint32_t crc32(std::span<const std::byte> bytes);

/// Compares the entries with `rows` of a names.json, where name, dtype, shape and checksum come from the framework;
/// rows may stand in any order unless `in_order`.
void expect_rows(const CheckpointReader& reader, const Json& rows, bool in_order = true);

/// Where files for tests/tools/check_written_files.py go: the folder in the environment variable
/// TRANSFORMERS_WRITTEN_FILES, or `otherwise`.
std::filesystem::path written_files(const std::filesystem::path& otherwise);

/// Opens the file cut off after every byte, in steps, and with numbers at their limits put into every place; each must
/// be read as the file says or be refused.
void expect_no_harm(std::string_view content, std::string_view name, size_t step = 1);

}  // namespace transformers::testing
