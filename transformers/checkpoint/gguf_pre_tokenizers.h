#pragma once

#include <span>
#include <string_view>

namespace transformers {

/// A value of `tokenizer.ggml.pre`: how byte-level BPE splits text into words.
struct GgufPreTokenizer {
  std::string_view name = {};
  std::string_view split = {};  // the expression of tokenizer.json; empty: GPT-2's own
  /// Digits are words of their own. The reference reads such files without, even where the model's own tokenizer.json
  /// says so, and is followed when reading; the writer needs the difference.
  bool splits_digits = false;
  bool is_written = false;  // the name for new files, where several mean the same
};

/// Alphabetical.
[[nodiscard]] std::span<const GgufPreTokenizer> gguf_pre_tokenizers();

}  // namespace transformers
