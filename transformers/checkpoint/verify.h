#pragma once

#include <filesystem>
#include <vector>

#include "transformers/base/finding.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

struct VerifyOptions {
  bool checksums = true;  // compare the data with its checksums where the format has them: reads all of it
};

/// Examines the weights of a model without building it: `path` is a folder or one file. Opens every file of weights
/// (which checks sizes, offsets, overlaps, dtypes and shapes), holds every `*.index.json` against its shards (each
/// file there, each key in the shard that is named for it, none unlisted, `total_size`, the numbering of the names) and
/// names empty tensors and sets of weights that hide each other. Findings come by file; none: nothing is wrong. Throws
/// FileNotFoundError when `path` does not exist, OSError when it is a folder without weights.
[[nodiscard]] std::vector<Finding> verify_checkpoint(const std::filesystem::path& path,
                                                     const VerifyOptions& options = {});

}  // namespace transformers
