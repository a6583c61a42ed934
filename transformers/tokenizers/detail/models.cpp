#include "transformers/tokenizers/detail/models.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/registry.h"

namespace transformers::detail {
namespace {

class WordLevel final : public Model {
 public:
  explicit WordLevel(const Fields& fields)
      : vocabulary_(Vocabulary::from_json(fields)), where_(fields.where()), unk_(fields.text("unk_token")) {}

  void tokenize(const NormalizedText& text, std::vector<Token>& out) const override {
    auto id = vocabulary_.find(text.text);
    if (!id) id = vocabulary_.find(unk_);
    if (!id) throw ValueError(str(where_, ": a word is unknown and the vocabulary lacks the unk_token ", quote(unk_)));
    out.push_back({*id, 0, static_cast<uint32_t>(text.text.size())});
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  Json to_json() const override {
    return Json(Json::Object{{"type", "WordLevel"}, {"vocab", vocabulary_.to_json()}, {"unk_token", unk_}});
  }

 private:
  Vocabulary vocabulary_;
  std::string where_, unk_;
};

std::unique_ptr<Model> refuse_unigram(const Fields& fields) {
  throw ValueError(
      str(fields.where(), ": models of type 'Unigram' are not supported yet; BPE, WordLevel and WordPiece are"));
}

using Made = std::unique_ptr<Model>;
constexpr Component<Made> kModels[] = {
    {"BPE", make_bpe},
    {"Unigram", refuse_unigram},
    {"WordLevel", make_word_level},
    {"WordPiece", make_word_piece},
};

}  // namespace

std::unique_ptr<Model> make_word_level(const Fields& fields) { return std::make_unique<WordLevel>(fields); }

std::unique_ptr<Model> make_model(const Fields& fields) {
  if (fields.find("type") != nullptr) return make_component(kModels, fields);
  if (fields.find("merges") != nullptr) return make_bpe(fields);
  if (fields.find("continuing_subword_prefix") != nullptr) return make_word_piece(fields);
  return make_word_level(fields);
}

}  // namespace transformers::detail
