#pragma once

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

inline constexpr uint64_t kSafetensorsMostHeaderBytes = 100'000'000;

extern const CheckpointFormat safetensors_format;

/// Writes one safetensors file atomically (temporary file, sync, rename), so a mapping of the old file stays valid.
/// Tensors are laid out in the order that the reference's writer uses: larger alignment first, then by name.
/// `metadata`, an object of strings, becomes `__metadata__`. Throws ValueError for a dtype without a code, bytes of the
/// wrong size, metadata of another kind.
void write_safetensors(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                       const Json& metadata = Json::object());

}  // namespace transformers
