#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "transformers/base/ordered_map.h"
#include "transformers/dtypes/dtypes.h"

namespace transformers {

using Dtype = c10::ScalarType;
/// Sub-model → its type; "" is the whole model.
using DtypeMap = OrderedMap<std::string, std::variant<std::string, Dtype>>;
/// "float16", at::kHalf, or a map; "auto" where weights are loaded.
using DtypeArg = std::variant<std::string, Dtype, DtypeMap>;

/// libtorch's type for a plain type of a file; empty for block-quantised types.
[[nodiscard]] std::optional<c10::ScalarType> to_scalar_type(DataType type);
/// The way back; throws ValueError for a type that no file format has.
[[nodiscard]] DataType to_data_type(c10::ScalarType type);
/// "float32", "torch.bfloat16" …; throws ValueError naming the floating types when the name is unknown or its type is
/// not floating.
[[nodiscard]] c10::ScalarType floating_type(std::string_view name, std::string_view where);
/// The same for a type: float32, float16, bfloat16 and float64 are those that models compute in.
[[nodiscard]] c10::ScalarType floating_type(Dtype type, std::string_view where);

}  // namespace transformers
