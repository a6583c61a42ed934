#include <algorithm>
#include <array>
#include <atomic>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/merge_table.h"
#include "transformers/tokenizers/detail/models.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

struct Symbol {
  uint32_t id = 0, size = 0;  // size in bytes; 0: merged into its left neighbour
  uint32_t previous = kNone, next = kNone;
};

struct Candidate {
  uint32_t rank = 0, at = 0, id = 0;
  // Heaps of the standard library keep the largest in front.
  bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : at > o.at; }
};

/// Words already cut, of one model and one thread: a table that overwrites on collision.
struct WordCache {
  static constexpr size_t kSlots = 1U << 13;
  static constexpr size_t kMostWord = 32, kMostTokens = 8;
  struct Entry {
    char word[kMostWord] = {};
    uint8_t size = 0, tokens = 0;
    bool is_bytes = false;
    uint8_t ends[kMostTokens] = {};
    uint32_t ids[kMostTokens] = {};
  };
  uint64_t owner = 0;
  std::vector<Entry> entries = {};
};

struct Scratch {
  std::vector<Symbol> symbols = {};
  std::vector<Candidate> heap = {};
  std::string joined = {};
  WordCache cache = {};

  // A word of megabytes is rare; its memory must not stay with the thread.
  void trim() {
    constexpr size_t kKept = size_t{1} << 16;
    if (symbols.capacity() > kKept) symbols = {};
    if (heap.capacity() > kKept) heap = {};
  }
};

Scratch& scratch() {
  static thread_local Scratch instance;
  return instance;
}

class Bpe final : public Model {
 public:
  Bpe(Vocabulary vocabulary, const Merges& merges, BpeOptions options, std::string where)
      : vocabulary_(std::move(vocabulary)),
        options_(std::move(options)),
        where_(std::move(where)),
        merges_(merges.size()) {
    add_merges(merges);
    index_bytes();
    static std::atomic<uint64_t> count = 0;
    number_ = ++count;
  }

  void tokenize(const NormalizedText& text, std::vector<Token>& out) const override;
  bool takes_bytes() const override { return takes_bytes_; }
  bool is_bpe() const override { return true; }
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  Json to_json() const override;

 private:
  void add_merges(const Merges& merges);
  void index_bytes();
  uint32_t require(std::string_view token) const;
  void tokenize_word(const NormalizedText& text, std::vector<Token>& out) const;
  std::vector<uint32_t> known_widths(std::string_view text) const;
  bool start_with_bytes(std::string_view text, std::vector<Symbol>& symbols) const;
  void start_with_characters(std::string_view text, Scratch& s) const;
  std::optional<uint32_t> character_id(std::string_view text, size_t at, size_t size, Scratch& s) const;
  bool push_byte_fallback(std::string_view character, std::vector<Symbol>& symbols) const;
  void merge(Scratch& s) const;
  void merge_few(std::vector<Symbol>& symbols) const;
  void offer(const std::vector<Symbol>& symbols, uint32_t at, std::vector<Candidate>& heap) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  std::string where_;
  MergeTable merges_;
  std::vector<std::pair<uint32_t, uint32_t>> pairs_;  // by rank
  std::array<uint32_t, 256> byte_ids_ = {};
  TextMap words_as_bytes_;  // for ignore_merges
  bool takes_bytes_ = false;
  uint64_t number_ = 0;
};

uint32_t Bpe::require(std::string_view token) const {
  if (const auto id = vocabulary_.find(token)) return *id;
  throw ValueError(str(where_, ": field 'merges' names ", quote(token), ", which the vocabulary lacks"));
}

void Bpe::add_merges(const Merges& merges) {
  const std::string_view prefix =
      options_.continuing_subword_prefix ? *options_.continuing_subword_prefix : std::string_view();
  std::string merged;
  uint32_t id = 0;
  pairs_.reserve(merges.size());
  for (const auto& [left, right] : merges) {
    const uint32_t a = require(left), b = require(right);
    if (right.size() < prefix.size())
      throw ValueError(
          str(where_, ": field 'merges' names ", quote(right), ", shorter than continuing_subword_prefix"));
    merged.assign(left);
    merged += right.substr(prefix.size());
    // Most files number merged tokens in the order of their merges: the next id is a guess that saves a look-up.
    const bool is_next = vocabulary_.is_unique() && vocabulary_.token(id + 1) == std::string_view(merged);
    id = is_next ? id + 1 : require(merged);
    merges_.set(a, b, {.rank = static_cast<uint32_t>(pairs_.size()), .id = id});
    pairs_.emplace_back(a, b);
  }
}

// Pieces of the byte alphabet need not be spelt out when every symbol is one byte.
void Bpe::index_bytes() {
  const auto is_empty = [](const std::optional<std::string>& text) { return !text || text->empty(); };
  takes_bytes_ = is_empty(options_.continuing_subword_prefix) && is_empty(options_.end_of_word_suffix) &&
                 !options_.byte_fallback && !options_.unk_token;
  if (!takes_bytes_) return;
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string text;
    append_utf8(text, byte_to_char(static_cast<uint8_t>(byte)));
    byte_ids_[byte] = vocabulary_.find(text).value_or(kNone);
  }
  if (!options_.ignore_merges) return;
  std::string bytes;
  const Json tokens = vocabulary_.to_json();
  for (const auto& [token, id] : tokens.as_object())
    if (byte_alphabet_to_bytes(token, bytes)) words_as_bytes_.set(bytes, static_cast<uint32_t>(id.as_int()));
}

void Bpe::tokenize(const NormalizedText& text, std::vector<Token>& out) const {
  WordCache& cache = scratch().cache;
  const size_t size = text.text.size();
  if (size > WordCache::kMostWord) return tokenize_word(text, out);
  if (cache.owner != number_) {
    cache.entries.assign(WordCache::kSlots, {});
    cache.owner = number_;
  }
  auto& entry = cache.entries[hash_bytes(text.text) >> 20 & (WordCache::kSlots - 1)];
  if (entry.size == size && entry.is_bytes == text.is_bytes && std::string_view(entry.word, size) == text.text) {
    uint32_t begin = 0;
    for (unsigned i = 0; i < entry.tokens; ++i) {
      out.push_back({entry.ids[i], begin, entry.ends[i]});
      begin = entry.ends[i];
    }
    return;
  }
  const size_t first = out.size();
  tokenize_word(text, out);
  const size_t tokens = out.size() - first;
  if (tokens > WordCache::kMostTokens) return;
  for (size_t i = first, end = 0; i < out.size(); end = out[i++].end)
    if (out[i].begin != end) return;  // only the ends are kept
  entry.size = static_cast<uint8_t>(size);
  entry.tokens = static_cast<uint8_t>(tokens);
  entry.is_bytes = text.is_bytes;
  std::copy(text.text.begin(), text.text.end(), entry.word);
  for (size_t i = 0; i < tokens; ++i) {
    entry.ids[i] = out[first + i].id;
    entry.ends[i] = static_cast<uint8_t>(out[first + i].end);
  }
}

void push_shifted(std::string_view text, const std::vector<Symbol>& symbols, const std::vector<uint32_t>& widths,
                  std::vector<Token>& out);

void Bpe::tokenize_word(const NormalizedText& text, std::vector<Token>& out) const {
  if (options_.ignore_merges) {
    const auto id = text.is_bytes ? words_as_bytes_.find(text.text) : vocabulary_.find(text.text);
    if (id) return out.push_back({*id, 0, static_cast<uint32_t>(text.text.size())});
  }
  Scratch& s = scratch();
  s.symbols.clear();
  bool is_whole = true;
  if (text.is_bytes)
    is_whole = start_with_bytes(text.text, s.symbols);
  else
    start_with_characters(text.text, s);
  for (uint32_t i = 0; i < s.symbols.size(); ++i) {
    s.symbols[i].previous = i == 0 ? kNone : i - 1;
    s.symbols[i].next = i + 1 == s.symbols.size() ? kNone : i + 1;
  }
  merge(s);
  if (!is_whole) {
    push_shifted(text.text, s.symbols, known_widths(text.text), out);
  } else {
    uint32_t at = 0;
    for (const auto& symbol : s.symbols) {
      if (symbol.size == 0) continue;
      out.push_back({symbol.id, at, at + symbol.size});
      at += symbol.size;
    }
  }
  s.trim();
}

// False when the vocabulary lacks one of the bytes, which is left out then.
bool Bpe::start_with_bytes(std::string_view text, std::vector<Symbol>& symbols) const {
  for (const char c : text)
    if (const uint32_t id = byte_ids_[static_cast<uint8_t>(c)]; id != kNone) symbols.push_back({id, 1});
  return symbols.size() == text.size();
}

// Bytes that each known byte takes when spelt in the byte alphabet.
std::vector<uint32_t> Bpe::known_widths(std::string_view text) const {
  std::vector<uint32_t> widths;
  for (const char c : text)
    if (byte_ids_[static_cast<uint8_t>(c)] != kNone)
      widths.push_back(byte_to_char(static_cast<uint8_t>(c)) < 0x80 ? 1 : 2);
  return widths;
}

// The reference counts positions in the spelt text and skips nothing for bytes that were left out: later tokens of the
// word move to the front. The same is done here, and the positions brought back to bytes.
void push_shifted(std::string_view text, const std::vector<Symbol>& symbols, const std::vector<uint32_t>& widths,
                  std::vector<Token>& out) {
  std::vector<uint32_t> byte_at;  // by position in the spelt text
  for (uint32_t i = 0; i < text.size(); ++i)
    byte_at.insert(byte_at.end(), byte_to_char(static_cast<uint8_t>(text[i])) < 0x80 ? 1 : 2, i);
  size_t used = 0;
  uint32_t at = 0;
  for (const auto& symbol : symbols) {
    if (symbol.size == 0) continue;
    uint32_t width = 0;
    for (uint32_t i = 0; i < symbol.size; ++i) width += widths[used++];
    out.push_back({symbol.id, byte_at[at], byte_at[at + width - 1] + 1});
    at += width;
  }
}

std::optional<uint32_t> Bpe::character_id(std::string_view text, size_t at, size_t size, Scratch& s) const {
  const auto character = text.substr(at, size);
  const auto& prefix = options_.continuing_subword_prefix;
  const auto& suffix = options_.end_of_word_suffix;
  const bool has_prefix = at > 0 && prefix && !prefix->empty();
  const bool has_suffix = at + size == text.size() && suffix && !suffix->empty();
  if (!has_prefix && !has_suffix) {
    s.joined.assign(character);
    return vocabulary_.find(character);
  }
  s.joined.assign(has_prefix ? *prefix : std::string());
  s.joined += character;
  if (has_suffix) s.joined += *suffix;
  return vocabulary_.find(s.joined);
}

// Without a token for one of its bytes, a character is unknown as a whole.
bool Bpe::push_byte_fallback(std::string_view character, std::vector<Symbol>& symbols) const {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const size_t first = symbols.size();
  for (const char c : character) {
    const auto byte = static_cast<uint8_t>(c);
    const char token[] = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
    const auto id = vocabulary_.find({token, 6});
    if (!id) {
      symbols.resize(first);
      return false;
    }
    symbols.push_back({*id, 1});
  }
  return true;
}

void Bpe::start_with_characters(std::string_view text, Scratch& s) const {
  Symbol unknown;  // pending, so that neighbours can fuse
  const auto flush = [&] {
    if (unknown.size > 0) s.symbols.push_back(unknown);
    unknown.size = 0;
  };
  for (size_t at = 0; at < text.size();) {
    const uint32_t size = decode_at(text, at).size;
    const auto id = character_id(text, at, size, s);
    at += size;
    if (id) {
      flush();
      s.symbols.push_back({*id, size});
      continue;
    }
    // The reference leaves a pending unknown token behind the bytes; it comes out where the next known one stands.
    if (options_.byte_fallback && push_byte_fallback(s.joined, s.symbols)) continue;
    if (!options_.unk_token) continue;
    if (unknown.size > 0 && options_.fuse_unk) {
      unknown.size += size;
      continue;
    }
    flush();
    const auto unk = vocabulary_.find(*options_.unk_token);
    if (!unk)
      throw ValueError(
          str(where_, ": a character is unknown and the vocabulary lacks the unk_token ", quote(*options_.unk_token)));
    unknown.id = *unk;
    unknown.size = size;
  }
  flush();
}

void Bpe::offer(const std::vector<Symbol>& symbols, uint32_t at, std::vector<Candidate>& heap) const {
  const Symbol& left = symbols[at];
  if (left.next == kNone) return;
  const auto* const merge = merges_.find(left.id, symbols[left.next].id);
  if (merge == nullptr) return;
  heap.push_back({merge->rank, at, merge->id});
  std::push_heap(heap.begin(), heap.end());
}

// For short words, looking at every pair each time beats a heap.
void Bpe::merge_few(std::vector<Symbol>& symbols) const {
  size_t size = symbols.size();
  std::array<MergeTable::Merge, 24> pairs;
  const auto look = [&](size_t i) {
    const auto* const merge = merges_.find(symbols[i].id, symbols[i + 1].id);
    pairs[i] = merge == nullptr ? MergeTable::Merge{kNone, 0} : *merge;
  };
  for (size_t i = 0; i + 1 < size; ++i) look(i);
  while (size > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < size; ++i)
      if (pairs[i].rank < pairs[best].rank) best = i;
    if (pairs[best].rank == kNone) break;
    symbols[best].id = pairs[best].id;
    symbols[best].size += symbols[best + 1].size;
    for (size_t i = best + 1; i + 1 < size; ++i) {
      symbols[i] = symbols[i + 1];
      pairs[i] = pairs[i + 1 < pairs.size() ? i + 1 : i];
    }
    --size;
    if (best > 0) look(best - 1);
    if (best + 1 < size) look(best);
  }
  symbols.resize(size);
}

void Bpe::merge(Scratch& s) const {
  if (s.symbols.size() <= 24) return merge_few(s.symbols);
  s.heap.clear();
  for (uint32_t i = 0; i < s.symbols.size(); ++i) offer(s.symbols, i, s.heap);
  while (!s.heap.empty()) {
    const Candidate top = s.heap.front();
    std::pop_heap(s.heap.begin(), s.heap.end());
    s.heap.pop_back();
    Symbol& left = s.symbols[top.at];
    if (left.size == 0 || left.next == kNone) continue;
    Symbol& right = s.symbols[left.next];
    const auto* const current = merges_.find(left.id, right.id);
    if (current == nullptr || current->id != top.id) continue;  // one of the two has changed since
    left.id = top.id;
    left.size += right.size;
    left.next = right.next;
    right.size = 0;
    if (left.next != kNone) s.symbols[left.next].previous = top.at;
    if (left.previous != kNone) offer(s.symbols, left.previous, s.heap);
    offer(s.symbols, top.at, s.heap);
  }
}

Json Bpe::to_json() const {
  const auto text_or_null = [](const std::optional<std::string>& text) { return text ? Json(*text) : Json(); };
  Json::Array merges;
  merges.reserve(pairs_.size());
  for (const auto& [left, right] : pairs_)
    merges.emplace_back(Json::Array{Json(*vocabulary_.token(left)), Json(*vocabulary_.token(right))});
  return Json(Json::Object{{"type", "BPE"},
                           {"dropout", Json()},
                           {"unk_token", text_or_null(options_.unk_token)},
                           {"continuing_subword_prefix", text_or_null(options_.continuing_subword_prefix)},
                           {"end_of_word_suffix", text_or_null(options_.end_of_word_suffix)},
                           {"fuse_unk", options_.fuse_unk},
                           {"byte_fallback", options_.byte_fallback},
                           {"ignore_merges", options_.ignore_merges},
                           {"vocab", vocabulary_.to_json()},
                           {"merges", Json(std::move(merges))}});
}

}  // namespace

std::unique_ptr<Model> make_bpe(Vocabulary vocabulary, const Merges& merges, BpeOptions options,
                                const std::string& where) {
  return std::make_unique<Bpe>(std::move(vocabulary), merges, std::move(options), where);
}

}  // namespace transformers::detail
