#pragma once

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "transformers/tokenizers/tokenizer.h"

namespace transformers::detail {

/// An Encoding in the making: it knows which tokens belong to which sequence, as ranges, and holds its overflow
/// likewise.
struct Draft {
  using Range = std::pair<size_t, size_t>;
  Encoding encoding = {};  // without sequence_ids and overflowing
  std::array<std::optional<Range>, 2> ranges = {};
  std::vector<Draft> overflowing = {};

  [[nodiscard]] size_t size() const { return encoding.ids.size(); }
  void set_sequence(size_t index) { ranges[index] = Range{0, size()}; }
  void set_type(int64_t type) { encoding.type_ids.assign(size(), type); }
  void reserve(size_t tokens);
  void push_special(int64_t id, std::string_view token, int64_t type);
  /// Appends `other` and combines the overflows of both, in the reference's order.
  void append(Draft&& other);
  /// Cuts into parts of `most` tokens that share `stride`; the first stays, the rest becomes the overflow.
  void truncate(size_t most, size_t stride, Side direction);
  void pad(size_t length, const PaddingOptions& options);
  /// Tokens that `pad` would add, overflow included.
  [[nodiscard]] size_t missing_tokens(size_t length) const;
  /// The finished encoding, with sequence ids.
  [[nodiscard]] Encoding finish() &&;
};

/// Throws ValueError where the strategy cannot reach the length.
void truncate_drafts(std::vector<Draft>& drafts, const TruncationOptions& options, size_t most);
/// Throws ValueError when so many padding tokens are more than anybody's memory should take.
void check_padding(size_t missing_tokens, const PaddingOptions& options);
/// The length that all drafts of a batch are padded to.
[[nodiscard]] size_t padded_length(size_t longest, const PaddingOptions& options);

}  // namespace transformers::detail
