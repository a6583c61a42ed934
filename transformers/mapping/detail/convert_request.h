#pragma once

#include <optional>

#include "transformers/mapping/convert.h"
#include "transformers/mapping/detail/convert_target.h"

namespace transformers::detail {

/// What the options of a conversion ask of the tensors.
struct Wanted {
  std::optional<DataType> dtype = {};
  std::optional<DataType> block_type = {};
  bool is_int8 = false;
};
/// ValueError for types that the target cannot hold.
[[nodiscard]] Wanted wanted_of(const ConvertTarget& target, const ConvertOptions& options);

}  // namespace transformers::detail
