#include "transformers/tokenizers/tokenizer.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/parallel.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/pipeline.h"

namespace transformers {

using detail::Draft;
using detail::Fields;
using detail::Pipeline;

constexpr size_t kTextsPerTurn = 16;

struct Tokenizer::Impl {
  std::shared_ptr<const Pipeline> pipeline = {};
  std::optional<TruncationOptions> truncation = {};
  std::optional<PaddingOptions> padding = {};
  mutable std::mutex mutex = {};  // guards `json`
  mutable std::optional<Json> json = {};

  [[nodiscard]] Draft encode(std::string_view text, const std::string_view* pair, bool add_special_tokens) const {
    std::vector<Draft> drafts;
    drafts.push_back(pipeline->encode(text, 0));
    if (pair != nullptr) drafts.push_back(pipeline->encode(*pair, 1));
    return pipeline->post_process(std::move(drafts), add_special_tokens, truncation);
  }
  void pad(std::span<Draft> drafts) const {
    if (!padding) return;
    size_t longest = 0;
    for (const auto& draft : drafts) longest = std::max(longest, draft.size());
    const size_t length = detail::padded_length(longest, *padding);
    size_t missing = 0;
    for (const auto& draft : drafts) missing += draft.missing_tokens(length);
    detail::check_padding(missing, *padding);
    for (auto& draft : drafts) draft.pad(length, *padding);
  }
  [[nodiscard]] Encoding encode_one(std::string_view text, const std::string_view* pair,
                                    bool add_special_tokens) const {
    Draft draft = encode(text, pair, add_special_tokens);
    pad({&draft, 1});
    return std::move(draft).finish();
  }
  template <class Encode>
  [[nodiscard]] std::vector<Encoding> encode_many(size_t count, const Encode& encode_at) const {
    std::vector<Draft> drafts(count);
    run_parallel(count, [&](size_t i) { drafts[i] = encode_at(i); }, {.chunk = kTextsPerTurn});
    pad(drafts);
    std::vector<Encoding> out(count);
    run_parallel(count, [&](size_t i) { out[i] = std::move(drafts[i]).finish(); }, {.chunk = kTextsPerTurn});
    return out;
  }
};

namespace detail {

std::shared_ptr<Tokenizer> make_tokenizer(std::shared_ptr<const Pipeline> pipeline,
                                          std::optional<TruncationOptions> truncation,
                                          std::optional<PaddingOptions> padding) {
  auto impl = std::make_unique<Tokenizer::Impl>();
  impl->pipeline = std::move(pipeline);
  auto tokenizer = std::make_shared<Tokenizer>(std::move(impl));
  tokenizer->set_truncation(std::move(truncation));
  tokenizer->set_padding(std::move(padding));
  return tokenizer;
}

}  // namespace detail

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

std::shared_ptr<Tokenizer> Tokenizer::from_json(const Json& json, std::string_view where) {
  const Fields fields(json, std::string(where));
  if (fields.text("version", "1.0") != "1.0")
    fields.fail("version", str("is ", quote(fields.text("version")), "; only 1.0 is known"));
  auto pipeline = std::make_shared<Pipeline>();
  pipeline->model = detail::make_model(Fields(fields.require("model"), str(where, ": model")));
  detail::build_parts(*pipeline, json, std::string(where));
  auto truncation = detail::parse_truncation(fields);
  auto padding = detail::parse_padding(fields);
  return detail::make_tokenizer(std::move(pipeline), std::move(truncation), std::move(padding));
}

std::shared_ptr<Tokenizer> Tokenizer::from_file(const std::filesystem::path& file) {
  return from_json(Json::parse_file(file), file.native());
}

std::shared_ptr<Tokenizer> Tokenizer::copy() const {
  return detail::make_tokenizer(impl_->pipeline, impl_->truncation, impl_->padding);
}

Encoding Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  return impl_->encode_one(text, nullptr, add_special_tokens);
}

Encoding Tokenizer::encode_pair(std::string_view text, std::string_view pair, bool add_special_tokens) const {
  return impl_->encode_one(text, &pair, add_special_tokens);
}

std::vector<Encoding> Tokenizer::encode_batch(std::span<const std::string> texts, bool add_special_tokens) const {
  return impl_->encode_many(texts.size(),
                            [&](size_t i) { return impl_->encode(texts[i], nullptr, add_special_tokens); });
}

std::vector<Encoding> Tokenizer::encode_pairs(std::span<const std::pair<std::string, std::string>> pairs,
                                              bool add_special_tokens) const {
  return impl_->encode_many(pairs.size(), [&](size_t i) {
    const std::string_view second = pairs[i].second;
    return impl_->encode(pairs[i].first, &second, add_special_tokens);
  });
}

void Tokenizer::pad(std::vector<Encoding>& encodings, const PaddingOptions& options) {
  detail::check(options);
  size_t longest = 0;
  for (const auto& encoding : encodings) longest = std::max(longest, encoding.ids.size());
  const size_t length = detail::padded_length(longest, options);
  size_t total = 0;
  for (const auto& encoding : encodings) total += length - std::min(length, encoding.ids.size());
  detail::check_padding(total, options);
  for (auto& encoding : encodings) {
    Draft draft;
    auto sequences = std::move(encoding.sequence_ids);
    auto overflow = std::move(encoding.overflowing);
    draft.encoding = std::move(encoding);
    draft.pad(length, options);
    const size_t missing = draft.size() - sequences.size();
    sequences.insert(options.direction == Side::Left ? sequences.begin() : sequences.end(), missing, std::nullopt);
    encoding = std::move(draft.encoding);
    encoding.sequence_ids = std::move(sequences);
    encoding.overflowing = std::move(overflow);
  }
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  const Pipeline& p = *impl_->pipeline;
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  const size_t most_bytes = detail::most_decoded_bytes(ids.size());
  size_t size_bytes = 0;
  for (const int64_t id : ids) {
    if (id < 0 || id > int64_t{UINT32_MAX}) continue;
    const auto token = p.token(static_cast<uint32_t>(id));
    if (!token || (skip_special_tokens && p.added.is_special(*token))) continue;
    tokens.emplace_back(*token);
    detail::check_decoded(size_bytes += token->size(), most_bytes, p.where);
  }
  if (p.decoder == nullptr) return join(tokens, " ");
  p.decoder->decode(tokens, most_bytes);
  return join(tokens, "");
}

std::optional<int64_t> Tokenizer::token_to_id(std::string_view token) const {
  auto id = impl_->pipeline->added.find(token);
  if (!id) id = impl_->pipeline->model->vocabulary().find(token);
  return id ? std::optional<int64_t>(*id) : std::nullopt;
}

std::optional<std::string> Tokenizer::id_to_token(int64_t id) const {
  if (id < 0 || id > int64_t{UINT32_MAX}) return std::nullopt;
  const auto token = impl_->pipeline->token(static_cast<uint32_t>(id));
  return token ? std::optional(std::string(*token)) : std::nullopt;
}

int64_t Tokenizer::vocab_size(bool with_added_tokens) const {
  const auto& vocabulary = impl_->pipeline->model->vocabulary();
  return static_cast<int64_t>(vocabulary.size() +
                              (with_added_tokens ? impl_->pipeline->added.size_beyond(vocabulary) : 0));
}

bool Tokenizer::is_special(int64_t id) const {
  if (id < 0 || id > int64_t{UINT32_MAX}) return false;
  const auto* const token = impl_->pipeline->added.added(static_cast<uint32_t>(id));
  return token != nullptr && token->special;
}

void Tokenizer::set_truncation(std::optional<TruncationOptions> options) {
  if (options) detail::check(*options, impl_->pipeline->added_tokens(false));
  impl_->truncation = std::move(options);
  impl_->json.reset();
}

void Tokenizer::set_padding(std::optional<PaddingOptions> options) {
  if (options) detail::check(*options);
  impl_->padding = std::move(options);
  impl_->json.reset();
}

const std::optional<TruncationOptions>& Tokenizer::truncation() const { return impl_->truncation; }
const std::optional<PaddingOptions>& Tokenizer::padding() const { return impl_->padding; }

const Json& Tokenizer::to_json() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->json) return *impl_->json;
  const Pipeline& p = *impl_->pipeline;
  const auto part = [&](std::string_view key) { return p.parts.contains(key) ? p.parts.at(key) : Json(); };
  impl_->json = Json(Json::Object{{"version", "1.0"},
                                  {"truncation", detail::to_json(impl_->truncation)},
                                  {"padding", detail::to_json(impl_->padding)},
                                  {"added_tokens", p.added.to_json()},
                                  {"normalizer", part("normalizer")},
                                  {"pre_tokenizer", part("pre_tokenizer")},
                                  {"post_processor", part("post_processor")},
                                  {"decoder", part("decoder")},
                                  {"model", p.model->to_json()}});
  return *impl_->json;
}

const detail::Pipeline& detail::pipeline_of(const Tokenizer& tokenizer) { return *tokenizer.impl_->pipeline; }

}  // namespace transformers
