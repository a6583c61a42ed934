#pragma once

#include <span>
#include <string_view>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/key_rule.h"

namespace transformers {

/// The config.json that a GGUF file's metadata stands for, as the reference derives it; `architectures` names the class
/// that the file was made from. ValueError naming `where` and the key that is missing, of the wrong type or out of
/// range, or the architecture and the known ones.
[[nodiscard]] Json gguf_config(const CheckpointReader& reader, std::string_view where);

/// Key rules from the names in a GGUF file to the model's; ValueError when the file's architecture is not known.
[[nodiscard]] std::span<const KeyRule> gguf_rules(const CheckpointReader& reader);

/// Patterns of tensors that have no home in a model, because its config says the same or nobody reads them.
[[nodiscard]] std::span<const std::string_view> gguf_ignored_keys();

}  // namespace transformers
