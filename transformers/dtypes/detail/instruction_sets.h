#pragma once

#include <cstddef>
#include <span>

#include "transformers/dtypes/dtypes.h"

namespace transformers::detail {

/// What the expansions are compiled for, narrowest first.
enum class InstructionSet { Portable, Avx2, Avx512 };

/// The widest that this processor runs.
[[nodiscard]] InstructionSet widest_instruction_set();

/// `dequantize` and `quantize` with the code for `set`, which must be no wider than `widest_instruction_set()`.
void dequantize_with(InstructionSet set, DataType type, std::span<const std::byte> source, std::span<float> target);
void quantize_with(InstructionSet set, DataType type, std::span<const float> source, std::span<std::byte> target);

}  // namespace transformers::detail
