#pragma once

#include <span>
#include <string_view>

#include "transformers/mapping/dialects/detail/gguf_keys.h"
#include "transformers/mapping/key_rule.h"

namespace transformers::detail {

enum class GgufKind {
  Size,      // a width or a number of heads
  Layers,    // a number of layers: at most as many as the file has tensors
  Length,    // a number of positions
  Positive,  // a floating number
  Token,     // a token id, may be 0
};

/// A metadata key, without the architecture in front, and the config field it fills. Of two rows for one field the
/// later one wins.
struct GgufField {
  std::string_view suffix = {};
  std::string_view field = {};
  GgufKind kind = GgufKind::Size;
  bool is_optional = false;
};

/// A config field that is true when the file has a tensor.
struct GgufFlag {
  std::string_view tensor = {};
  std::string_view field = {};
};

/// A config field that no key expresses: a model whose field is none of these values (as JSON, separated by `|`) cannot
/// be written. Absent and null count as the first.
struct GgufAssumed {
  std::string_view field = {};
  std::string_view values = {};
};

class GgufFields;

/// Everything that the dialect knows of one architecture.
struct GgufArchitecture {
  std::string_view name = {};        // general.architecture
  std::string_view only_named = {};  // when given, only files with this general.name
  std::string_view model_type = {};
  std::string_view model_class = {};
  std::span<const GgufField> fields = {};
  std::span<const GgufFlag> flags = {};
  std::span<const KeyRule> rules = {};
  void (*finish)(const GgufKeys& keys, Json& config) = nullptr;  // what no single key says
  // The way back.
  std::string_view base_prefix = {};  // of names in a whole model; a base model's lack it
  std::span<const GgufAssumed> assumed = {};
  bool has_rope_factors = false;                // llama.cpp looks for rope_freqs.weight
  void (*state)(GgufFields& fields) = nullptr;  // the inverse of `finish`
};

/// The first row that fits a file is the one.
[[nodiscard]] std::span<const GgufArchitecture> gguf_architectures();

/// Fields of every architecture: the special tokens.
[[nodiscard]] std::span<const GgufField> gguf_token_fields();

/// `rope_parameters` from the metadata and from `rope_freqs.weight`; `head_size` is the width of a head.
[[nodiscard]] Json gguf_rope_parameters(const GgufKeys& keys, int64_t head_size);

}  // namespace transformers::detail
