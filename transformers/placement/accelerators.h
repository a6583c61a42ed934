#pragma once

#include <c10/core/DeviceType.h>

#include <cstdint>
#include <optional>

namespace transformers {

/// The kind of accelerator of this process (CUDA, or whatever is registered with libtorch as PrivateUse1); none on a
/// machine without one. MPS is named by "mps" and not counted here.
[[nodiscard]] std::optional<c10::DeviceType> accelerator_type();
[[nodiscard]] int64_t accelerator_count();
[[nodiscard]] bool has_mps();
/// Bytes that can be allocated on accelerator `index`: free ones, and those that libtorch has reserved and not used.
[[nodiscard]] int64_t accelerator_free_bytes(int64_t index);
/// LOCAL_RANK, 0 when unset.
[[nodiscard]] int64_t local_rank();

}  // namespace transformers
