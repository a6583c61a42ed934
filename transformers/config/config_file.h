#pragma once

#include <filesystem>

#include "transformers/base/json.h"

namespace transformers {

/// Reads a file like config.json: one JSON object in UTF-8, no key twice. Never waits. Throws FileNotFoundError, or
/// OSError saying what the file is instead: a folder, a named pipe, a Git LFS pointer, a web page, empty, too large, no
/// UTF-8, not valid JSON, no object.
[[nodiscard]] Json read_config_file(const std::filesystem::path& file);

}  // namespace transformers
