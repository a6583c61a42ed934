#pragma once

#include <memory>
#include <string>

#include "transformers/tokenizers/detail/fields.h"
#include "transformers/tokenizers/detail/normalized_text.h"

namespace transformers::detail {

/// One step of normalisation; immutable and thread-safe.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// Throws ValueError, naming this component, when the text outgrows the arena.
  [[nodiscard]] NormalizedText normalize(const NormalizedText& text, Arena& arena) const;

 protected:
  [[nodiscard]] virtual NormalizedText apply(const NormalizedText& text, Arena& arena) const = 0;

 private:
  friend std::unique_ptr<Normalizer> make_normalizer(const Fields& fields);
  std::string where_;
};

/// By the object's `type`. Unknown types: ValueError listing the known ones.
[[nodiscard]] std::unique_ptr<Normalizer> make_normalizer(const Fields& fields);

}  // namespace transformers::detail
