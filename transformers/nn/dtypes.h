#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string_view>

#include "transformers/dtypes/dtypes.h"

namespace transformers {

/// libtorch's type for a plain type of a file; empty for block-quantised types.
[[nodiscard]] std::optional<c10::ScalarType> to_scalar_type(DataType type);
/// The way back; throws ValueError for a type that no file format has.
[[nodiscard]] DataType to_data_type(c10::ScalarType type);
/// "float32", "torch.bfloat16" …; throws ValueError naming the floating types when the name is unknown or its type is
/// not floating.
[[nodiscard]] c10::ScalarType floating_type(std::string_view name, std::string_view where);

}  // namespace transformers
