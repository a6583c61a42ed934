#pragma once

#include <optional>
#include <string>

#include "transformers/pretrained/detail/source.h"

namespace transformers {

/// The floating type that `arg` asks for; of a map the one of the whole model, as the parts of a model share a type.
/// Absent for "auto" and where nothing was asked for. ValueError naming `where` for names and types that no model has.
[[nodiscard]] std::optional<Dtype> explicit_dtype(const std::optional<DtypeArg>& arg, const std::string& where);

/// The argument as a keyword argument holds it: a name, or an object of names. TypeError for anything else.
[[nodiscard]] DtypeArg dtype_from_json(const Json& value, std::string_view key);

/// The floating type of a model that is loaded as the class `model_class`: asked for, or the process's default, or for
/// "auto" the config's, the index's, that of the first floating tensor (D01 to D03).
[[nodiscard]] Dtype choose_dtype(const FromPretrainedOptions& options, const PretrainedConfig& config,
                                 const Source& source, std::string_view model_class);

/// The type of a model that is made from a config: asked for, else the config's, else the process's default. The config
/// then says what was asked for.
[[nodiscard]] Dtype dtype_of_config(PretrainedConfig& config, const std::optional<DtypeArg>& arg,
                                    const std::string& where);

/// Keeps those tensors of a model on meta in float32 that its architecture says lose too much otherwise (D06).
void keep_in_fp32(PreTrainedModel& model, Dtype dtype);

}  // namespace transformers
