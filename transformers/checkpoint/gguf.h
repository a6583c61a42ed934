#pragma once

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

extern const CheckpointFormat gguf_format;

/// Only the metadata of a GGUF file, without looking at its tensors: what a tokenizer or a config needs, quickly.
[[nodiscard]] Json read_gguf_metadata(const std::filesystem::path& file);

/// Writes one GGUF file of version 3 atomically (temporary file, sync, rename), tensors in the order given, one at a
/// time in memory, each at a multiple of `general.alignment` (32 when `metadata` lacks it). `metadata` is an object
/// whose values take these types, but for the keys for which llama.cpp insists on another one: integers uint32, int32,
/// uint64 or int64, the first that fits; floating numbers float32 (float64 where that overflows); strings; bools; lists
/// of one of those, where integers are int32, uint32 or int64. Throws ValueError for any other value, a dtype that GGUF
/// lacks, names of more than 63 bytes, bytes of the wrong size.
void write_gguf(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                const Json& metadata = Json::object());

}  // namespace transformers
