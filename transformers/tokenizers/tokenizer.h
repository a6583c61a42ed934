#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transformers/base/json.h"

namespace transformers {

class Tokenizer;
namespace detail {
struct Pipeline;
const Pipeline& pipeline_of(const Tokenizer& tokenizer);
}  // namespace detail

/// What encoding a text (or a pair) gives; all lists have one element per token.
struct Encoding {
  std::vector<int64_t> ids = {};
  std::vector<int64_t> type_ids = {};
  std::vector<std::string> tokens = {};                   // the vocabulary's strings
  std::vector<std::pair<int64_t, int64_t>> offsets = {};  // [begin, end) in Unicode code points of the input as given
  std::vector<std::optional<int64_t>> word_ids = {};      // absent for special tokens
  std::vector<std::optional<int64_t>> sequence_ids = {};  // 0 or 1; absent for special tokens
  std::vector<int64_t> special_tokens_mask = {};
  std::vector<int64_t> attention_mask = {};
  std::vector<Encoding> overflowing = {};
};

enum class Side { Left, Right };

/// Field for field as in tokenizer.json's "truncation".
struct TruncationOptions {
  int64_t max_length = 512;
  int64_t stride = 0;
  std::string strategy = "LongestFirst";  // "LongestFirst", "OnlyFirst", "OnlySecond"
  Side direction = Side::Right;
};

/// Field for field as in tokenizer.json's "padding".
struct PaddingOptions {
  std::optional<int64_t> length = {};  // absent: the longest of the batch
  Side direction = Side::Right;
  std::optional<int64_t> pad_to_multiple_of = {};
  int64_t pad_id = 0, pad_type_id = 0;
  std::string pad_token = "[PAD]";
};

/// The pipeline that tokenizer.json describes: added tokens, normalizer, pre-tokenizer, model, post-processor, decoder.
/// Immutable after construction but for truncation and padding; encode and decode are thread-safe. Ids, offsets and
/// decoded text equal those of the reference's `tokenizers` library.
class Tokenizer {
 public:
  /// A copy that can be configured on its own; it shares everything that cannot change.
  [[nodiscard]] std::shared_ptr<Tokenizer> copy() const;
  /// From the content of tokenizer.json. An unknown component, a field of the wrong type or an id out of range:
  /// ValueError naming `where`, the component and the field.
  [[nodiscard]] static std::shared_ptr<Tokenizer> from_json(const Json& json,
                                                            std::string_view where = "tokenizer.json");
  [[nodiscard]] static std::shared_ptr<Tokenizer> from_file(const std::filesystem::path& file);
  ~Tokenizer();

  [[nodiscard]] Encoding encode(std::string_view text, bool add_special_tokens = true) const;
  [[nodiscard]] Encoding encode_pair(std::string_view text, std::string_view pair,
                                     bool add_special_tokens = true) const;
  /// Each text on its own, then padding as configured. Uses all cores.
  [[nodiscard]] std::vector<Encoding> encode_batch(std::span<const std::string> texts,
                                                   bool add_special_tokens = true) const;
  /// Pairs of texts on all cores, then padding as configured.
  [[nodiscard]] std::vector<Encoding> encode_pairs(std::span<const std::pair<std::string, std::string>> pairs,
                                                   bool add_special_tokens = true) const;
  /// Pads to one length, as configured or as `options` say.
  static void pad(std::vector<Encoding>& encodings, const PaddingOptions& options);
  /// Unknown ids are left out, as in the reference.
  [[nodiscard]] std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = false) const;

  [[nodiscard]] std::optional<int64_t> token_to_id(std::string_view token) const;
  [[nodiscard]] std::optional<std::string> id_to_token(int64_t id) const;
  [[nodiscard]] int64_t vocab_size(bool with_added_tokens = true) const;
  [[nodiscard]] bool is_special(int64_t id) const;

  /// Truncation is checked against the special tokens that every text gets: ValueError when the stride leaves no room.
  void set_truncation(std::optional<TruncationOptions> options);
  void set_padding(std::optional<PaddingOptions> options);
  [[nodiscard]] const std::optional<TruncationOptions>& truncation() const;
  [[nodiscard]] const std::optional<PaddingOptions>& padding() const;

  /// The content of tokenizer.json again, equal in meaning to what was read.
  [[nodiscard]] const Json& to_json() const;

  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);

 private:
  friend const detail::Pipeline& detail::pipeline_of(const Tokenizer& tokenizer);
  std::unique_ptr<Impl> impl_;
};

}  // namespace transformers
