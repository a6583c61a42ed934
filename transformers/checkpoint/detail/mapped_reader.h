#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers::detail {

/// Maps a weights file. Throws OSError for what cannot be one, whatever the format: missing, empty, a Git LFS pointer,
/// a web page that was saved under its name.
[[nodiscard]] std::shared_ptr<const MappedFile> map_weights(const std::filesystem::path& file);

/// What a parser found in one file; entries checked against its size, their names unique.
struct ParsedCheckpoint {
  std::vector<CheckpointEntry> entries = {};
  Json metadata = Json::object();
};

/// The reader of a format that keeps each tensor as one run of bytes in one file.
[[nodiscard]] std::unique_ptr<CheckpointReader> make_mapped_reader(std::shared_ptr<const MappedFile> mapped,
                                                                   ParsedCheckpoint parsed, std::string_view dialect);

/// Fills `target`, of the entry's size, with the little-endian row-major bytes of entry `index`. Throws OSError.
using Decode = std::function<void(size_t index, std::span<std::byte> target)>;

/// The reader of a format in which some tensors are no single run of bytes: those, marked by the offset 0, are decoded
/// into memory of their own each time they are asked for. The parser has bounded their sizes by the file's.
[[nodiscard]] std::unique_ptr<CheckpointReader> make_decoding_reader(std::shared_ptr<const MappedFile> mapped,
                                                                     ParsedCheckpoint parsed, std::string_view dialect,
                                                                     Decode decode);

}  // namespace transformers::detail
