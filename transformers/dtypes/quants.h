#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "transformers/dtypes/dtypes.h"

namespace transformers {

/// Expands blocks of a ggml quantised type (or F16, BF16, F32) to float32. `source` must hold exactly the blocks of
/// `target.size()` elements; throws ValueError otherwise, and for types that have no expansion.
/// Layouts: ggml's block structures, little-endian. Neither span needs an alignment beyond that of its elements. Runs
/// on the calling thread; callers that split a tensor over threads cut it at whole blocks.
void dequantize(DataType type, std::span<const std::byte> source, std::span<float> target);

/// The other way. Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 give the bits of the gguf package, the K types blocks whose squared
/// error is no larger than llama.cpp's. Throws ValueError as above, for types that are only read, and for elements that
/// a block cannot hold (NaN, infinities, above 65504).
void quantize(DataType type, std::span<const float> source, std::span<std::byte> target);
[[nodiscard]] bool can_quantize(DataType type);
/// A whole tensor, row-major; errors name it. Rows that are no whole blocks: ValueError.
[[nodiscard]] std::vector<std::byte> quantize_tensor(std::string_view name, DataType type,
                                                     std::span<const int64_t> shape, std::span<const float> values);

[[nodiscard]] float half_to_float(uint16_t bits);
[[nodiscard]] uint16_t float_to_half(float value);      // nearest even
[[nodiscard]] uint16_t float_to_bfloat16(float value);  // nearest even, NaN kept
[[nodiscard]] inline float bfloat16_to_float(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, sizeof value);
  return value;
}

}  // namespace transformers
