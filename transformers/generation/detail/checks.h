#pragma once

#include <cstdint>
#include <string_view>

#include "transformers/modeling/model.h"

namespace transformers::detail {

/// Throws ValueError unless config/generation_limits.h takes `value` for the field; gives it back.
double checked_number(std::string_view field, double value);

/// Every number of the config that has an effect: those of sampling only count with do_sample.
void check_numbers(const GenerationConfig& config);

/// Throws ValueError saying that `field`, which is `value`, needs more than the memory that is free. Looks at that of
/// the CPU only: what other devices have is theirs to say.
void check_memory(const at::Device& device, std::string_view field, int64_t value, double size_bytes);

/// Bytes that a cache takes for one token of one row; 0 when the config does not tell.
[[nodiscard]] double cache_bytes_per_token(const PreTrainedModel& model);

}  // namespace transformers::detail
