#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace transformers::kernels {

/// Name of the instruction set that the CPU kernels use: the best that this processor has, or the one that the
/// environment variable TRANSFORMERS_CPU_ISA names. Decided at the first call. Throws ValueError, listing
/// instruction_sets(), when the variable names something else.
[[nodiscard]] std::string_view active_instruction_set();

/// The names that TRANSFORMERS_CPU_ISA may have on this processor, best first; the last, "none", composes ATen's ops.
[[nodiscard]] std::vector<std::string_view> instruction_sets();

/// Chooses for the whole process, no kernel running: for tests and benchmarks that compare. Throws as above.
void use_instruction_set(std::string_view name);

}  // namespace transformers::kernels
