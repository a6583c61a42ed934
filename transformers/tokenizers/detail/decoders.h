#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transformers/tokenizers/detail/fields.h"

namespace transformers::detail {

/// Turns tokens back into text, step by step; immutable and thread-safe. The text is the tokens joined at the end.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void decode(std::vector<std::string>& tokens) const = 0;
};

[[nodiscard]] std::unique_ptr<Decoder> make_decoder(const Fields& fields);

}  // namespace transformers::detail
