#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "transformers/modeling/outputs.h"

namespace transformers::cli {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// The tensors of a safetensors file, copied out of it. Throws OSError, ValueError.
[[nodiscard]] NamedTensors read_tensors(const std::filesystem::path& file);

/// A model's inputs by their names; floating ones cast to `dtype`, integers to int64. An unknown name: ValueError
/// naming `file`.
[[nodiscard]] ModelInputs model_inputs(const NamedTensors& tensors, at::ScalarType dtype, const std::string& file);

/// Writes a safetensors file, whole or not at all.
void write_tensors(const std::filesystem::path& file, const NamedTensors& tensors);

}  // namespace transformers::cli
