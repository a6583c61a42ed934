#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "transformers/mapping/key_rule.h"

namespace transformers {

/// True when the whole `key` fits `pattern`: `*` is one dotted segment, `**` (at either end) any number of characters.
[[nodiscard]] bool key_matches(std::string_view pattern, std::string_view key);

/// `key` rewritten by the rule, or by its inverse; absent when it does not match.
[[nodiscard]] std::optional<std::string> apply_rule(const KeyRule& rule, std::string_view key);
[[nodiscard]] std::optional<std::string> invert_rule(const KeyRule& rule, std::string_view key);

}  // namespace transformers
