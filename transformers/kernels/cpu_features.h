#pragma once

#include <span>
#include <string_view>

namespace transformers::kernels {

/// Name of the instruction set that the CPU kernels use: the best that this processor has, or the one that the
/// environment variable TRANSFORMERS_CPU_ISA names. Decided at the first call. Throws ValueError, listing
/// instruction_sets(), when the variable names something else.
[[nodiscard]] std::string_view active_instruction_set();

/// Names that TRANSFORMERS_CPU_ISA may have on this processor, best first.
[[nodiscard]] std::span<const std::string_view> instruction_sets();

}  // namespace transformers::kernels
