#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "transformers/base/ordered_map.h"

namespace transformers {

/// Names → tensors, in module order.
using StateDict = OrderedMap<std::string, at::Tensor>;

}  // namespace transformers
