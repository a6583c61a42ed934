#pragma once

#include <cstddef>
#include <cstdint>

namespace transformers::hub::detail {

/// Feeds `count` blocks of 64 bytes into the eight words of a SHA-256 state.
using Sha256Compress = void (*)(uint32_t* state, const std::byte* blocks, size_t count);

/// The plain form, right everywhere.
void compress_sha256(uint32_t* state, const std::byte* blocks, size_t count);
/// The one that this processor runs fastest.
[[nodiscard]] Sha256Compress fastest_sha256();

}  // namespace transformers::hub::detail
