#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/models.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {
namespace {

/// Longest match first, from left to right; a word that cannot be covered is one unknown token.
class WordPiece final : public Model {
 public:
  explicit WordPiece(const Fields& fields)
      : vocabulary_(Vocabulary::from_json(fields)),
        where_(fields.where()),
        unk_(fields.text("unk_token")),
        prefix_(fields.text("continuing_subword_prefix")),
        most_characters_(fields.number("max_input_chars_per_word")) {
    index();
  }

  void tokenize(const NormalizedText& source, std::vector<Token>& out) const override {
    const std::string_view text = source.text;
    const size_t first_out = out.size();
    if (count_code_points(text) > most_characters_) return push_unknown(text, out);
    for (size_t begin = 0; begin < text.size();) {
      const TextMap& map = begin == 0 ? first_ : rest_;
      size_t end = std::min(text.size(), begin + (begin == 0 ? longest_first_ : longest_rest_));
      std::optional<uint32_t> id;
      for (; end > begin; --end) {
        if (end < text.size() && is_continuation(text[end])) continue;
        if ((id = map.find(text.substr(begin, end - begin)))) break;
      }
      if (!id) {
        out.resize(first_out);
        return push_unknown(text, out);
      }
      out.push_back({*id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
      begin = end;
    }
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  Json to_json() const override {
    return Json(Json::Object{{"type", "WordPiece"},
                             {"unk_token", unk_},
                             {"continuing_subword_prefix", prefix_},
                             {"max_input_chars_per_word", most_characters_},
                             {"vocab", vocabulary_.to_json()}});
  }

 private:
  // Two maps, of word beginnings and of continuations without their prefix: no text is put together per lookup.
  void index() {
    const Json json = vocabulary_.to_json();
    size_t bytes = 0;
    for (const auto& [token, id] : json.as_object()) bytes += token.size();
    first_.reserve(json.size(), bytes);
    rest_.reserve(json.size() / 2, bytes / 2);
    for (const auto& [token, value] : json.as_object()) {
      const auto id = static_cast<uint32_t>(value.as_int());
      first_.set(token, id);
      longest_first_ = std::max(longest_first_, token.size());
      if (!std::string_view(token).starts_with(prefix_)) continue;
      const auto rest = std::string_view(token).substr(prefix_.size());
      rest_.set(rest, id);
      longest_rest_ = std::max(longest_rest_, rest.size());
    }
  }
  void push_unknown(std::string_view text, std::vector<Token>& out) const {
    const auto id = vocabulary_.find(unk_);
    if (!id) throw ValueError(str(where_, ": a word is unknown and the vocabulary lacks the unk_token ", quote(unk_)));
    out.push_back({*id, 0, static_cast<uint32_t>(text.size())});
  }

  Vocabulary vocabulary_;
  std::string where_, unk_, prefix_;
  int64_t most_characters_;
  TextMap first_, rest_;
  size_t longest_first_ = 0, longest_rest_ = 0;
};

}  // namespace

std::unique_ptr<Model> make_word_piece(const Fields& fields) { return std::make_unique<WordPiece>(fields); }

}  // namespace transformers::detail
