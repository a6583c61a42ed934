#pragma once

#include <limits>

namespace transformers::detail {

/// The score of a token that must not be chosen.
inline constexpr double kNever = -std::numeric_limits<double>::infinity();

}  // namespace transformers::detail
