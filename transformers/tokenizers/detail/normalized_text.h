#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace transformers::detail {

/// Bytes [begin, end) of the original text.
struct Span {
  uint32_t begin = 0, end = 0;
  bool operator==(const Span&) const = default;
};

struct NormalizedText;

/// Thrown by an Arena that would grow beyond its limit; whoever works in it turns this into a ValueError that names the
/// component.
struct ArenaFull {
  size_t wanted_bytes = 0, most_bytes = 0;
  /// What to say behind the name of a component.
  [[nodiscard]] std::string message() const;
};

/// Memory of one encoding: allocations live until `reset`. Each byte of normalised text takes nine: itself and where it
/// comes from. A tokenizer file may ask for any growth of a text (a `Prepend` of a megabyte, fifty times), so that the
/// memory is limited to 64 MiB or 96 times the input, whichever is more: enough for every Unicode form of any text.
class Arena {
 public:
  [[nodiscard]] char* text(size_t size_bytes) { return static_cast<char*>(take(size_bytes, 1)); }
  [[nodiscard]] Span* spans(size_t count);
  void reset(size_t input_bytes);
  [[nodiscard]] size_t size_bytes() const { return size_bytes_; }
  /// The present state, for `drop_since`.
  [[nodiscard]] size_t mark() const { return large_.size(); }
  /// Frees the large allocations made since `mark` that `kept` does not use.
  void drop_since(size_t mark, const NormalizedText& kept);

 private:
  struct Block {
    std::unique_ptr<char[]> data = {};
    size_t size = 0;
  };
  void* take(size_t size_bytes, size_t alignment);
  Block make_block(size_t size_bytes);
  std::vector<Block> small_ = {};  // each holds many allocations; kept by `reset`
  std::vector<Block> large_ = {};  // one allocation each
  size_t block_ = 0, used_ = 0;    // in small_
  size_t size_bytes_ = 0, most_bytes_ = size_t{1} << 28;
};

/// A normalised text and where each of its bytes comes from. A view: slicing is free; text and alignment belong to the
/// caller's input or to an Arena.
struct NormalizedText {
  std::string_view text = {};
  const Span* alignment = nullptr;  // one per byte; null: the text lies unchanged at `original.begin`
  Span original = {};               // what this part covers
  bool is_bytes = false;            // stands for its bytes in the byte alphabet; see `spell_bytes`

  [[nodiscard]] static NormalizedText of(std::string_view original_text) {
    return {.text = original_text, .original = {0, static_cast<uint32_t>(original_text.size())}};
  }
  /// The bytes of the original that byte `at` comes from: always a whole character.
  [[nodiscard]] Span origin(size_t at) const;
  /// The original of the bytes [begin, end); an empty range yields itself, relative to the original, as the reference.
  [[nodiscard]] Span origin(size_t begin, size_t end) const;
  [[nodiscard]] NormalizedText slice(size_t begin, size_t end) const;
};

/// Rewrites a text character by character, following the reference's bookkeeping: each emitted character says how many
/// characters it replaces: 0 replaces one, 1 is new, -n replaces one and removes n more behind it.
class Rewriter {
 public:
  /// `removed`: leading characters that vanish. `capacity`: an upper bound of the new text, in bytes.
  Rewriter(const NormalizedText& source, Arena& arena, size_t capacity, size_t removed = 0);
  void emit(char32_t c, int64_t change);
  [[nodiscard]] NormalizedText finish();

 private:
  void skip(size_t characters);
  void grow(size_t size_bytes);
  const NormalizedText source_;
  Arena& arena_;
  char* text_ = nullptr;
  Span* spans_ = nullptr;
  size_t size_ = 0, capacity_ = 0, at_ = 0;
};

/// `prefix` before the text, aligned with its first character; an empty text stays empty.
[[nodiscard]] NormalizedText prepend(const NormalizedText& source, std::string_view prefix, Arena& arena);
/// Writes a text of bytes in the byte alphabet.
[[nodiscard]] NormalizedText spell_bytes(const NormalizedText& source, Arena& arena);

/// A part of a text that a pattern found, or what lies between two finds.
struct Match {
  uint32_t begin = 0, end = 0;
  bool is_match = false;
};
/// Replaces every match by `content`, which is aligned with the last character replaced.
[[nodiscard]] NormalizedText replace_matches(const NormalizedText& source, const std::vector<Match>& matches,
                                             std::string_view content, Arena& arena);

}  // namespace transformers::detail
