#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers::detail {

/// Typed, bounded access to the metadata of a GGUF file. Suffixes stand behind the architecture: `block_count` is
/// `llama.block_count`; keys with `general.` or `tokenizer.` are whole. Errors are ValueErrors naming file and key.
class GgufKeys {
 public:
  GgufKeys(const CheckpointReader& reader, std::string_view where);

  [[nodiscard]] const CheckpointReader& reader() const { return reader_; }
  /// The value of `general.architecture`.
  [[nodiscard]] const std::string& architecture() const { return architecture_; }

  /// Absent when the file lacks the key.
  [[nodiscard]] std::optional<int64_t> integer(std::string_view suffix, int64_t least, int64_t most) const;
  [[nodiscard]] std::optional<double> number(std::string_view suffix, double least) const;
  [[nodiscard]] std::optional<std::string> text(std::string_view suffix) const;
  [[nodiscard]] const Json* find(std::string_view suffix) const;

  [[nodiscard]] std::string full(std::string_view suffix) const;
  [[noreturn]] void missing(std::string_view suffix) const;
  /// The value under the key is `found`, which it cannot be.
  [[noreturn]] void impossible(std::string_view suffix, std::string_view found, std::string_view expected) const;
  /// Throws "<where>: <reason>".
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  const CheckpointReader& reader_;
  std::string where_, architecture_;
};

}  // namespace transformers::detail
