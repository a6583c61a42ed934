#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// How much a finding matters: the weights cannot be read or are not those that were saved; they can, but something
/// does not fit together.
enum class Severity { Error, Warning };

struct Finding {
  Severity severity = Severity::Error;
  std::filesystem::path file = {};
  std::string key = {};  // of the tensor that it is about; empty when about the file
  std::string message = {};
};

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
