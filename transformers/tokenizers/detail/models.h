#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "transformers/tokenizers/detail/fields.h"
#include "transformers/tokenizers/detail/normalized_text.h"
#include "transformers/tokenizers/detail/vocabulary.h"

namespace transformers::detail {

/// A token and the bytes of its piece that it covers.
struct Token {
  uint32_t id = 0, begin = 0, end = 0;
};

/// Cuts a piece into tokens of the vocabulary; immutable and thread-safe.
class Model {
 public:
  virtual ~Model() = default;
  /// Appends the tokens of a non-empty piece.
  virtual void tokenize(const NormalizedText& text, std::vector<Token>& out) const = 0;
  /// True when `tokenize` takes pieces with `is_bytes`.
  [[nodiscard]] virtual bool takes_bytes() const { return false; }
  [[nodiscard]] virtual bool is_bpe() const { return false; }
  [[nodiscard]] virtual const Vocabulary& vocabulary() const = 0;
  /// The whole model as in tokenizer.json.
  [[nodiscard]] virtual Json to_json() const = 0;
};

using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

struct BpeOptions {
  std::optional<std::string> unk_token = {}, continuing_subword_prefix = {}, end_of_word_suffix = {};
  bool fuse_unk = false, byte_fallback = false, ignore_merges = false;
};
/// `where` names the source in errors; the views in `merges` need only live during the call.
[[nodiscard]] std::unique_ptr<Model> make_bpe(Vocabulary vocabulary, const Merges& merges, BpeOptions options,
                                              const std::string& where);

/// By the object's `type`; without one, by its fields, as files of old versions need.
[[nodiscard]] std::unique_ptr<Model> make_model(const Fields& fields);

[[nodiscard]] std::unique_ptr<Model> make_bpe(const Fields& fields);
[[nodiscard]] std::unique_ptr<Model> make_word_piece(const Fields& fields);
[[nodiscard]] std::unique_ptr<Model> make_word_level(const Fields& fields);

}  // namespace transformers::detail
