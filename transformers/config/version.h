#pragma once

#include <string_view>

namespace transformers {

/// This library.
inline constexpr std::string_view kVersion = "0.1.0";
/// The release of the Python library whose behaviour we follow; written as `transformers_version`, which tells readers
/// of a config.json what its keys mean.
inline constexpr std::string_view kReferenceVersion = "5.23.0";

}  // namespace transformers
