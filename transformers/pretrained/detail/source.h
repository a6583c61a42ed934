#pragma once

#include <memory>
#include <optional>
#include <string>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/hub/snapshot.h"
#include "transformers/pretrained/load.h"

namespace transformers {

/// The files of one load: where they lie and, once asked for, the open checkpoint.
struct Source {
  Snapshot snapshot = {};
  std::optional<Snapshot> adapter = {};  // to be attached to the model: beside it, or what led to it
  std::shared_ptr<const CheckpointReader> reader = {};
  std::string config_origin = "the given config";  // the file that describes the model, for errors
  bool is_int8 = false;                            // in the file: docs/int8.md; the reader expands it
  bool is_memory = false;                          // the weights are the caller's state dict, there are no files
};

/// How the files of a call are looked up. `Options` has the download arguments of the reference: FromPretrainedOptions,
/// LoadAdapterOptions.
template <class Options>
[[nodiscard]] SnapshotOptions lookup_of(const Options& options) {
  return {.revision = options.revision,
          .subfolder = options.subfolder,
          .cache_dir = options.cache_dir,
          .force_download = options.force_download,
          .local_files_only = options.local_files_only,
          .token = options.token,
          .proxies = options.proxies};
}

/// Resolves the name; opens nothing. Without one the source is the state dict of `options`. Throws ValueError when
/// there are both or neither.
[[nodiscard]] Source find_source(const std::optional<std::string>& name_or_path, const FromPretrainedOptions& options);

/// The JSON that describes the model; notes in `source` where it stands. Opens the weights of a GGUF file.
[[nodiscard]] Json read_config_json(Source& source, const FromPretrainedOptions& options);

/// The config of the source's files, of the class that its model_type names.
[[nodiscard]] std::shared_ptr<PretrainedConfig> read_config(Source& source, const FromPretrainedOptions& options);

/// Whether open_weights would find its files on this machine. Fetches nothing; shards that an index of the Hub names do
/// not count.
[[nodiscard]] bool has_weights_here(const Source& source, const FromPretrainedOptions& options);

/// Opens the weights, in the reference's order of file names. Throws OSError naming the folder and the names tried.
void open_weights(Source& source, const FromPretrainedOptions& options);

/// `options` with the keyword arguments that have other names now, or no effect, taken out of `kwargs`.
[[nodiscard]] FromPretrainedOptions modern_options(const FromPretrainedOptions& options);

/// The config that the source is loaded with: the one of `options`, or the one beside the weights with the overrides of
/// `options.kwargs`, which are erased there; what is left goes to the model's constructor. Reads a GGUF file's
/// metadata.
[[nodiscard]] std::shared_ptr<PretrainedConfig> choose_config(Source& source, FromPretrainedOptions& options);

/// Loads the weights of `source` into a new model of the class `row`; the end of every from_pretrained.
[[nodiscard]] LoadResult<PreTrainedModel> load_from(Source& source, const std::shared_ptr<PretrainedConfig>& config,
                                                    const ModelClass& row, const FromPretrainedOptions& options);

}  // namespace transformers
