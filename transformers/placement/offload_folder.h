#pragma once

#include <filesystem>
#include <memory>

#include "transformers/placement/weight_store.h"

namespace transformers {

/// The weights that an `index.json` in `folder` names, to be read in place when they are needed, cast to the dtype that
/// it states (L14). Both forms are known, this library's and accelerate's: {"safetensors_file", "weight_name",
/// "dtype"}, and the older {"dtype", "shape"} with the raw values in `<weight>.dat`. A relative file lies in `folder`.
/// Throws OSError and ValueError naming the index and the weight: missing files, values of another size, unknown
/// dtypes, names that lead out of the folder.
[[nodiscard]] std::shared_ptr<WeightStore> read_offload_folder(const std::filesystem::path& folder);

}  // namespace transformers
