#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/mapping/dialects/detail/gguf_architectures.h"
#include "transformers/mapping/dialects/gguf_export.h"

namespace transformers::detail {

/// A config on its way into metadata. Errors are ValueErrors naming the field.
class GgufFields {
 public:
  GgufFields(const Json& config, const GgufArchitecture& row, Json& metadata)
      : config_(config), row_(row), metadata_(metadata) {}

  [[nodiscard]] const Json& config() const { return config_; }
  [[nodiscard]] const GgufArchitecture& row() const { return row_; }
  /// The value of a field; null when it is absent or null.
  [[nodiscard]] const Json* find(std::string_view field) const;
  [[nodiscard]] int64_t integer(std::string_view field) const;
  /// Sets a key, given without the architecture in front.
  void set(std::string_view suffix, Json value);
  [[nodiscard]] bool has(std::string_view suffix) const;
  [[noreturn]] void refuse(std::string_view field, const std::string& reason) const;

 private:
  const Json& config_;
  const GgufArchitecture& row_;
  Json& metadata_;
};

/// The row by which a config is written; ValueError when there is none.
[[nodiscard]] const GgufArchitecture& gguf_architecture_for(const Json& config);

/// Keys of the rotary embedding; the inverse of gguf_rope_parameters.
void state_gguf_rope(GgufFields& fields);
/// The values of `rope_freqs.weight`, one for each pair of a head; empty when the file needs none.
[[nodiscard]] std::vector<float> gguf_rope_factors(const Json& config, int64_t head_size);
[[nodiscard]] int64_t gguf_head_size(const Json& config);

/// `general.file_type` and the version of the block formats.
void state_gguf_file_type(DataType dtype, Json& metadata);

/// Adds the keys of `tokenizer.…` for a vocabulary of `vocab_size` tokens.
void state_gguf_tokenizer(const GgufTokenizerFiles& files, int64_t vocab_size, Json& metadata);

}  // namespace transformers::detail
