#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace transformers::detail {

/// First and last code point of a run, both included.
struct CodePointRange {
  uint32_t first = 0, last = 0;
};

/// Classes as the reference's components see them; the order is that of the generated tables.
enum class CodePointClass : uint8_t {
  Space,
  Punctuation,
  Numeric,
  Removed,
  AccentMark,
  CombiningMark,
  Word,
  RegexWord,
  Lu,
  Ll,
  Lt,
  Lm,
  Lo,
  M,
  Nd,
  N,
  P,
  S,
  Han,
  Count,
};

[[nodiscard]] std::span<const CodePointRange> code_points_of(CodePointClass which);
/// Pairs of a code point and its lower case, for characters newer than the system's Unicode data may be.
[[nodiscard]] std::span<const CodePointRange> newer_lower_case();

}  // namespace transformers::detail
