#pragma once

#include <cstddef>
#include <cstdint>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers::fuzz {

/// Opens the input in `format` and, when that succeeds, reads and expands every tensor. Aborts when something other
/// than an OSError is thrown, a tensor is not what its entry says or takes more than `most_expansion` times the input.
void open_and_read(const CheckpointFormat& format, const uint8_t* data, size_t size, size_t most_expansion = 1);

}  // namespace transformers::fuzz
