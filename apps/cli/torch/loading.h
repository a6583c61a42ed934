#pragma once

#include "apps/cli/command.h"
#include "transformers/pretrained/auto.h"

namespace transformers::cli {

/// The loading options as from_pretrained takes them; sets the number of threads. Throws NotImplementedError for those
/// that this version lacks.
[[nodiscard]] FromPretrainedOptions loading_arguments(const Arguments& arguments);

/// Throws ValueError when one of `options` names a file of the command's MODEL, or what no file can be written to.
void refuse_files_of_model(const Arguments& arguments, std::initializer_list<const char*> options);

/// The config of the command's MODEL, read once for the choice of the class and for loading: `options` has it then.
[[nodiscard]] std::shared_ptr<PretrainedConfig> read_config(const Arguments& arguments, FromPretrainedOptions& options);

/// Loads the command's MODEL as --class says, else as the first of its `architectures`.
[[nodiscard]] LoadResult<PreTrainedModel> load_model(const Arguments& arguments, FromPretrainedOptions options);

/// The same, but a class that generates where neither says so. Throws ValueError naming the weights that the
/// checkpoint lacks: what a model says with random weights is noise.
[[nodiscard]] std::shared_ptr<PreTrainedModel> load_generator(const Arguments& arguments);

/// The tokenizer of the command's MODEL.
[[nodiscard]] std::shared_ptr<PreTrainedTokenizer> load_tokenizer(const Arguments& arguments);

}  // namespace transformers::cli
