#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/tokenizers/detail/models.h"
#include "transformers/tokenizers/detail/normalizers.h"
#include "transformers/tokenizers/detail/pre_tokenizers.h"

namespace transformers::detail {

/// A token that is found in the text as it stands, before the model sees anything.
struct AddedToken {
  std::string content = {};
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = true;    // looked for after normalisation, in normalised form
  bool special = false;
  bool operator==(const AddedToken&) const = default;
};

[[nodiscard]] AddedToken parse_added_token(const Fields& fields);

/// Finds, at each position, the longest of many texts.
class TextFinder {
 public:
  void add(std::string text, uint32_t id) { texts_.emplace_back(std::move(text), id); }
  /// Call once after the last `add`.
  void build();
  [[nodiscard]] bool empty() const { return texts_.empty(); }
  struct Found {
    size_t begin = 0, end = 0;
    uint32_t id = 0;
  };
  /// The first, and there the longest, occurrence from `from` on.
  /// Texts of megabytes that begin alike can make this quadratic: `steps` counts, and ValueError stops it.
  [[nodiscard]] std::optional<Found> find(std::string_view text, size_t from, size_t& steps) const;

 private:
  [[nodiscard]] std::optional<Found> longest_at(std::string_view text, size_t at, size_t& steps) const;
  std::vector<std::pair<std::string, uint32_t>> texts_;  // sorted
  std::vector<uint32_t> starts_;                         // by first byte: where its texts begin
};

class AddedVocabulary {
 public:
  /// Ids come from the model's vocabulary where it has the text, else they continue behind it, as in the reference.
  void add(const std::vector<AddedToken>& tokens, const Vocabulary& model, const Normalizer* normalizer);

  /// Splits the text into added tokens and normalised rest.
  void extract(std::string_view text, const Normalizer* normalizer, Workspace& work) const;

  [[nodiscard]] std::optional<uint32_t> find(std::string_view content) const;
  /// As the reference spells it when decoding: in normalised form where the token is normalised.
  [[nodiscard]] std::optional<std::string_view> token(uint32_t id) const;
  [[nodiscard]] const AddedToken* added(uint32_t id) const;
  [[nodiscard]] bool is_special(std::string_view content) const { return specials_.contains(std::string(content)); }
  [[nodiscard]] size_t size_beyond(const Vocabulary& model) const;
  /// Ordered by id.
  [[nodiscard]] Json to_json() const;

 private:
  struct Entry {
    AddedToken token = {};
    std::optional<std::string> normalized = {};
  };
  void rebuild();
  void split(const NormalizedText& text, const TextFinder& finder, std::vector<Piece>& out) const;
  std::unordered_map<std::string, uint32_t> ids_;
  std::unordered_map<uint32_t, Entry> entries_;
  std::unordered_set<std::string> specials_;
  TextFinder plain_, normalized_;
};

}  // namespace transformers::detail
