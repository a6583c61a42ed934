#pragma once

#include "transformers/tokenizers/detail/normalized_text.h"

namespace transformers::detail {

struct UnicodeFormOptions {
  bool compatible = false;  // NFKD, NFKC
  bool compose = false;     // NFC, NFKC
};
/// The text in a Unicode normalisation form, aligned as the reference aligns it.
[[nodiscard]] NormalizedText to_unicode_form(const NormalizedText& source, Arena& arena,
                                             const UnicodeFormOptions& options);

}  // namespace transformers::detail
