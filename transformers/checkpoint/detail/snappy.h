#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace transformers::detail {

/// Expands one block in the raw Snappy format; empty when it is malformed. Takes no more memory than 22 times the
/// input: the densest element, a copy of 64 bytes, takes three.
[[nodiscard]] std::optional<std::string> expand_snappy(std::string_view block);

}  // namespace transformers::detail
