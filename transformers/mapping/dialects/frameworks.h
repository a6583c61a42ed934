#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "transformers/mapping/dialects.h"

namespace transformers::detail {

/// What one framework calls the tensors of one architecture. A key goes through the first fitting rule of `scopes`,
/// which rewrites where a tensor stands, then through the first fitting rule of `leaves` or of the framework's common
/// ones, which rewrite its last part and its layout; the way back is the same tables in reverse. A rule that fits in
/// one direction must be found first in the other: rows for exceptions come before general ones.
struct FrameworkArchitecture {
  std::string_view model_type = {};
  std::string_view base_class = {};   // the class whose tensors have no prefix with us
  std::string_view base_prefix = {};  // which the framework's files have always; empty: the same with both
  std::span<const KeyRule> scopes = {};
  std::span<const KeyRule> leaves = {};
  std::span<const TiedWeight> shared = {};  // `name` is not in files, as `source` serves for it
  std::string_view numbered = {};           // how Keras puts a number behind a list's name; empty: `_._`
  size_t digits = 1;                        // TF 1: how wide such numbers are written
};

// Which tensors are one, whatever the framework: what its files leave out because another serves for it.
inline constexpr TiedWeight kBertShared[] = {
    {"cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
    {"cls.predictions.decoder.bias", "cls.predictions.bias"},
};
inline constexpr TiedWeight kDistilBertShared[] = {
    {"vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"},
};
inline constexpr TiedWeight kGpt2Shared[] = {{"lm_head.weight", "transformer.wte.weight"}};
inline constexpr TiedWeight kRobertaShared[] = {
    {"lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"},
    {"lm_head.decoder.bias", "lm_head.bias"},
};
inline constexpr TiedWeight kT5Shared[] = {
    {"encoder.embed_tokens.weight", "shared.weight"},
    {"decoder.embed_tokens.weight", "shared.weight"},
    {"lm_head.weight", "shared.weight"},
};

/// One framework: its tables, and how it spells names that we write with dots.
struct Framework {
  std::string_view name = {};
  std::span<const FrameworkArchitecture> architectures = {};
  std::span<const KeyRule> common = {};            // leaves of every architecture, after its own
  std::span<const std::string_view> ignored = {};  // patterns of keys, in normal form, that are no weights
  /// The key in normal form: dots between parts, numbers parts of their own. `row` is null for other architectures.
  std::string (*normal)(std::string_view key, const FrameworkArchitecture* row) = nullptr;
  /// The inverse. ValueError where the config lacks what the name needs.
  std::string (*spell)(std::string_view normal, const FrameworkArchitecture& row, const Json& config) = nullptr;
};

/// The row of the config's model_type, or null.
[[nodiscard]] const FrameworkArchitecture* find_row(const Framework& framework, const Json& config);
/// The first of the config's `architectures`, or "".
[[nodiscard]] std::string first_class(const Json& config);

[[nodiscard]] bool is_ignored(const Framework& framework, std::string_view key);
[[nodiscard]] std::optional<KeyTranslation> to_model(const Framework& framework, const Json& config,
                                                     std::string_view key, std::span<const int64_t> shape);
[[nodiscard]] std::optional<KeyTranslation> to_file(const Framework& framework, const Json& config,
                                                    std::string_view name, std::span<const int64_t> shape);
[[nodiscard]] std::optional<std::string> shared_with(const Framework& framework, const Json& config,
                                                     std::string_view name);

/// The record of a framework; each has its own functions, as they carry no state.
template <const Framework& F>
constexpr KeyDialect framework_dialect(std::string_view name) {
  return {.name = name,
          .to_model = [](const Json& config, std::string_view key,
                         std::span<const int64_t> shape) { return to_model(F, config, key, shape); },
          .to_file = [](const Json& config, std::string_view key,
                        std::span<const int64_t> shape) { return to_file(F, config, key, shape); },
          .is_ignored = [](std::string_view key) { return is_ignored(F, key); },
          .shared_with = [](const Json& config, std::string_view key) { return shared_with(F, config, key); }};
}

}  // namespace transformers::detail
