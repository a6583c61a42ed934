#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers::detail {

/// What every writer demands of an entry before and while it writes `file`.

/// True for UTF-8 without NUL, which every format's names are.
[[nodiscard]] bool is_plain_text(std::string_view name);

/// The bytes that the entry's shape takes. Throws ValueError for a shape that overflows or divides a block.
[[nodiscard]] uint64_t entry_size(const std::filesystem::path& file, const CheckpointWriteEntry& entry);

/// The entry's bytes, to be dropped before the next are asked for. Throws ValueError when they are not as many as its
/// shape takes.
[[nodiscard]] SharedBytes entry_bytes(const std::filesystem::path& file, const CheckpointWriteEntry& entry);

}  // namespace transformers::detail
