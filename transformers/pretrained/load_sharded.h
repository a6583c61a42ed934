#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <string>
#include <vector>

namespace transformers {

/// Keys that a module and a checkpoint do not share.
struct IncompatibleKeys {
  std::vector<std::string> missing_keys = {};     // of the module, in its order
  std::vector<std::string> unexpected_keys = {};  // of the index, in its order
};

/// Arguments of load_sharded_checkpoint; names and defaults are the reference's.
struct LoadShardedOptions {
  bool strict = true;       // the keys must agree
  bool prefer_safe = true;  // safetensors where there are pickles too; false: the pickles
};

/// Fills the parameters and persistent buffers of any module from the shards that an index in `folder` names
/// (`model.safetensors.index.json` or `pytorch_model.bin.index.json`), one shard and of it one tensor at a time; values
/// are cast to the module's types. Throws ValueError without an index, RuntimeError for keys that do not agree (before
/// any shard is read) and for tensors of another shape or kind (before any of their shard is copied; earlier shards are
/// in the module then), OSError for a shard that is missing or malformed.
IncompatibleKeys load_sharded_checkpoint(torch::nn::Module& model, const std::filesystem::path& folder,
                                         const LoadShardedOptions& options = {});

}  // namespace transformers
