#pragma once

#include <memory>

#include "transformers/tokenizers/detail/fields.h"
#include "transformers/tokenizers/detail/normalized_text.h"

namespace transformers::detail {

/// One step of normalisation; immutable and thread-safe.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  [[nodiscard]] virtual NormalizedText normalize(const NormalizedText& text, Arena& arena) const = 0;
};

/// By the object's `type`. Unknown types: ValueError listing the known ones.
[[nodiscard]] std::unique_ptr<Normalizer> make_normalizer(const Fields& fields);

}  // namespace transformers::detail
