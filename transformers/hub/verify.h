#pragma once

#include <filesystem>
#include <vector>

#include "transformers/base/finding.h"

namespace transformers::hub {

/// Holds files that came from the Hub against the hashes that it gave for them: SHA-256 of LFS objects, git's hash of
/// the others. `path` is a snapshot in the cache, a folder that the Python client downloaded to (`local_dir`) or one in
/// it, or one file of them. Reads all of each such file; one whose hash is not known is left alone, so any folder may
/// be given. Findings come by file; none: nothing is wrong. Throws OSError when a file cannot be read.
[[nodiscard]] std::vector<Finding> verify_downloads(const std::filesystem::path& path);

}  // namespace transformers::hub
