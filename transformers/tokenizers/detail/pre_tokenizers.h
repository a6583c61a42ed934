#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "transformers/tokenizers/detail/fields.h"
#include "transformers/tokenizers/detail/normalized_text.h"

namespace transformers::detail {

/// A part of the text on its way to the model: still to be tokenized, or an added token already.
struct Piece {
  NormalizedText text = {};
  int64_t added_id = -1;  // ≥ 0: this piece is that token
};

/// What one encoding works on; kept between calls for its memory.
struct Workspace {
  Arena arena = {};
  std::vector<Piece> pieces = {}, next = {};
  std::vector<Match> matches = {};

  /// Gives back what a long text needed only on the way to its pieces.
  void trim() {
    constexpr size_t kKept = size_t{1} << 16;
    if (next.capacity() > kKept) next = {};
    if (matches.capacity() > kKept) matches = {};
  }
};

/// Splits pieces further; immutable and thread-safe.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void pre_tokenize(Workspace& work) const = 0;
};

[[nodiscard]] std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Fields& fields);

}  // namespace transformers::detail
