// What tokenizer.json says of a BPE model.
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/models.h"

namespace transformers::detail {

namespace {

std::optional<std::string> optional_text(const Fields& fields, std::string_view key) {
  return fields.find(key) == nullptr ? std::nullopt : std::optional(fields.text(key));
}

std::pair<std::string_view, std::string_view> parse_merge(const Fields& fields, const Json& merge, size_t index) {
  if (merge.is_array() && merge.size() == 2 && merge.as_array()[0].is_string() && merge.as_array()[1].is_string())
    return {merge.as_array()[0].as_string(), merge.as_array()[1].as_string()};
  if (merge.is_string()) {
    const std::string_view text = merge.as_string();
    const size_t space = text.find(' ');
    if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos)
      return {text.substr(0, space), text.substr(space + 1)};
  }
  fields.fail("merges", str("has at ", index, " neither \"left right\" nor [\"left\", \"right\"]: ",
                            merge.is_string() ? quote(merge.as_string()) : std::string(merge.type_name())));
}

Merges parse_merges(const Fields& fields) {
  const auto& list = fields.list("merges");
  Merges merges;
  merges.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].is_string() && std::string_view(list[i].as_string()).starts_with("#version")) continue;
    merges.push_back(parse_merge(fields, list[i], i));
  }
  return merges;
}

}  // namespace

std::unique_ptr<Model> make_bpe(const Fields& fields) {
  if (const Json* const dropout = fields.find("dropout"))
    if (!dropout->is_number() || dropout->as_double() != 0.0)
      fields.fail("dropout", "must be null or 0: random segmentation is for training and not supported");
  BpeOptions options{.unk_token = optional_text(fields, "unk_token"),
                     .continuing_subword_prefix = optional_text(fields, "continuing_subword_prefix"),
                     .end_of_word_suffix = optional_text(fields, "end_of_word_suffix"),
                     .fuse_unk = fields.flag("fuse_unk", false),
                     .byte_fallback = fields.flag("byte_fallback", false),
                     .ignore_merges = fields.flag("ignore_merges", false)};
  return make_bpe(Vocabulary::from_json(fields), parse_merges(fields), std::move(options), fields.where());
}

}  // namespace transformers::detail
