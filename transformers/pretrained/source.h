#pragma once

#include <memory>
#include <string>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/hub/snapshot.h"
#include "transformers/pretrained/load.h"

namespace transformers {

/// The files of one load: where they lie and, once asked for, the open checkpoint.
struct Source {
  Snapshot snapshot = {};
  std::unique_ptr<CheckpointReader> reader = {};
};

/// Resolves the name; opens nothing.
[[nodiscard]] Source find_source(const std::string& name_or_path, const FromPretrainedOptions& options);

/// Opens the weights, in the reference's order of file names. Throws OSError naming the folder and the names tried.
void open_weights(Source& source, const FromPretrainedOptions& options);

/// The config of the source: config.json, or what a GGUF file's metadata says. Opens the weights for the latter.
[[nodiscard]] Json read_config(Source& source, const FromPretrainedOptions& options);

/// The part of `options.kwargs` that is no config field and so goes to the model's constructor.
[[nodiscard]] Json constructor_arguments(const PretrainedConfig& config, const FromPretrainedOptions& options);

/// The config object for `json`, with the overrides of `options`.
[[nodiscard]] std::shared_ptr<PretrainedConfig> make_config_object(const Json& json, const std::string& where,
                                                                   const FromPretrainedOptions& options);

}  // namespace transformers
