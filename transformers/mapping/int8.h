#pragma once

#include <memory>
#include <string_view>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"

// Safetensors whose matrices are int8 with a scale for each row: docs/int8.md.
namespace transformers {

/// What the metadata and the quantization_config of such a checkpoint call it, and what follows the name of a matrix in
/// that of its scales.
inline constexpr std::string_view kInt8Format = "transformers.cpp-int8", kInt8ScaleSuffix = "_scale";

/// What config.json says of such weights.
[[nodiscard]] Json int8_config();
/// True when a `quantization_config` names this layout; ValueError naming `where` when it asks for another form of it.
[[nodiscard]] bool is_int8_config(const Json& quantization_config, std::string_view where);

/// True for a checkpoint whose metadata states this layout.
[[nodiscard]] bool is_int8_checkpoint(const CheckpointReader& reader);
/// Such a checkpoint as one of float32: matrices are expanded when their bytes are asked for, one at a time, and scales
/// are no entries. Any other as it is. OSError naming file and tensor for a matrix without fitting scales.
[[nodiscard]] std::unique_ptr<CheckpointReader> expand_int8(std::unique_ptr<CheckpointReader> reader);

}  // namespace transformers
