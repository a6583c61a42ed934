#pragma once

#include <string>

namespace transformers::cli {

/// The text of a file of /proc, whose size is not known before it is read; empty when it cannot be.
[[nodiscard]] std::string read_system_file(const char* file);

}  // namespace transformers::cli
