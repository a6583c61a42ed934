#pragma once

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

extern const CheckpointFormat gguf_format;

/// Only the metadata of a GGUF file, without looking at its tensors: what a tokenizer or a config needs, quickly.
[[nodiscard]] Json read_gguf_metadata(const std::filesystem::path& file);

}  // namespace transformers
