#include "transformers/kernels/cpu_features.h"

namespace transformers::kernels {
static constexpr std::string_view kNames[] = {"generic"};
std::span<const std::string_view> instruction_sets() { return kNames; }
std::string_view active_instruction_set() { return kNames[0]; }
}  // namespace transformers::kernels
