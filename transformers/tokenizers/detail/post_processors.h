#pragma once

#include <memory>
#include <vector>

#include "transformers/tokenizers/detail/draft.h"
#include "transformers/tokenizers/detail/fields.h"

namespace transformers::detail {

/// Adds special tokens and types, trims offsets; immutable and thread-safe.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  /// Special tokens that `process` would add.
  [[nodiscard]] virtual size_t added_tokens(bool is_pair) const = 0;
  /// One draft, or the two of a pair; the result is appended in order afterwards.
  virtual void process(std::vector<Draft>& drafts, bool add_special_tokens) const = 0;
};

[[nodiscard]] std::unique_ptr<PostProcessor> make_post_processor(const Fields& fields);

}  // namespace transformers::detail
