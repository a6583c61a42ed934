#pragma once

#include <cstdint>
#include <filesystem>

namespace transformers {

/// Bytes of memory that this process can still take: what the system has available, or the least that one of its
/// control groups (versions 1 and 2) leaves; caches of files count as free. `root` is where /proc and /sys are, for
/// tests.
[[nodiscard]] int64_t available_memory_bytes(const std::filesystem::path& root = "/");

}  // namespace transformers
