#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/tokenizers/detail/added_vocabulary.h"
#include "transformers/tokenizers/detail/decoders.h"
#include "transformers/tokenizers/detail/draft.h"
#include "transformers/tokenizers/detail/models.h"
#include "transformers/tokenizers/detail/normalizers.h"
#include "transformers/tokenizers/detail/post_processors.h"
#include "transformers/tokenizers/detail/pre_tokenizers.h"

namespace transformers::detail {

struct EncodeWorkspace;

/// What tokenizer.json describes, but for truncation and padding. Immutable once built, and shared.
struct Pipeline {
  std::string where = {};
  std::unique_ptr<Normalizer> normalizer = {};
  std::unique_ptr<PreTokenizer> pre_tokenizer = {};
  std::unique_ptr<Model> model = {};
  std::unique_ptr<PostProcessor> post_processor = {};
  std::unique_ptr<Decoder> decoder = {};
  AddedVocabulary added = {};
  Json parts = Json::object();  // the JSON of normalizer, pre_tokenizer, post_processor and decoder

  /// A text before post-processing. `index` is 0, or 1 for the second of a pair.
  [[nodiscard]] Draft encode(std::string_view text, size_t index) const;
  [[nodiscard]] Draft post_process(std::vector<Draft>&& drafts, bool add_special_tokens,
                                   const std::optional<TruncationOptions>& truncation) const;
  [[nodiscard]] std::optional<std::string_view> token(uint32_t id) const;
  [[nodiscard]] size_t added_tokens(bool is_pair) const {
    return post_processor == nullptr ? 0 : post_processor->added_tokens(is_pair);
  }

 private:
  void split(std::string_view text, Workspace& work) const;
  void tokenize(std::string_view text, EncodeWorkspace& work, Encoding& out) const;
};

/// Everything but the model, from the object of tokenizer.json; `added_tokens` are added last.
void build_parts(Pipeline& pipeline, const Json& json, const std::string& where);

[[nodiscard]] std::optional<TruncationOptions> parse_truncation(const Fields& tokenizer);
[[nodiscard]] std::optional<PaddingOptions> parse_padding(const Fields& tokenizer);
[[nodiscard]] Json to_json(const std::optional<TruncationOptions>& options);
[[nodiscard]] Json to_json(const std::optional<PaddingOptions>& options);
void check(const TruncationOptions& options, size_t added_tokens);
void check(const PaddingOptions& options);

/// A tokenizer around a pipeline.
[[nodiscard]] std::shared_ptr<Tokenizer> make_tokenizer(std::shared_ptr<const Pipeline> pipeline,
                                                        std::optional<TruncationOptions> truncation = {},
                                                        std::optional<PaddingOptions> padding = {});
[[nodiscard]] const Pipeline& pipeline_of(const Tokenizer& tokenizer);

}  // namespace transformers::detail
