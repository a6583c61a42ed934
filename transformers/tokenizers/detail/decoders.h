#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/tokenizers/detail/fields.h"

namespace transformers::detail {

/// Turns tokens back into text, step by step; immutable and thread-safe. The text is the tokens joined at the end.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Throws ValueError, naming the component, when the text would take more than `most_bytes`.
  virtual void decode(std::vector<std::string>& tokens, size_t most_bytes) const = 0;
};

/// More than any vocabulary needs: 64 MiB, or 256 bytes for each token.
[[nodiscard]] size_t most_decoded_bytes(size_t tokens);
/// Throws ValueError naming `where` beyond the limit.
void check_decoded(size_t size_bytes, size_t most_bytes, std::string_view where);

[[nodiscard]] std::unique_ptr<Decoder> make_decoder(const Fields& fields);

}  // namespace transformers::detail
