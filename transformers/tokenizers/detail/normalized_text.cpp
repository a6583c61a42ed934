#include "transformers/tokenizers/detail/normalized_text.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {

constexpr size_t kSmallBlock = size_t{1} << 18;
constexpr size_t kLeastLimit = size_t{1} << 26, kLimitPerByte = 96;

std::string ArenaFull::message() const {
  return str("makes the text too large: ", human_bytes(static_cast<int64_t>(wanted_bytes)),
             " would be needed for it and its alignment, the limit is ", human_bytes(static_cast<int64_t>(most_bytes)),
             " (64 MiB, or 96 times the input)");
}

void Arena::reset(size_t input_bytes) {
  constexpr size_t kKeptBlocks = 16;
  if (small_.size() > kKeptBlocks) small_.resize(kKeptBlocks);
  large_.clear();
  block_ = used_ = 0;
  size_bytes_ = small_.size() * kSmallBlock;
  most_bytes_ = std::max(kLeastLimit, kLimitPerByte * input_bytes);
}

Arena::Block Arena::make_block(size_t size_bytes) {
  if (size_bytes > most_bytes_ - std::min(most_bytes_, size_bytes_))
    throw ArenaFull{.wanted_bytes = size_bytes_ + size_bytes, .most_bytes = most_bytes_};
  Block block{std::unique_ptr<char[]>(new char[size_bytes]), size_bytes};  // not zeroed: unused pages cost nothing
  size_bytes_ += size_bytes;
  return block;
}

Span* Arena::spans(size_t count) {
  // Positions in a text have 32 bits.
  if (count > UINT32_MAX) throw ArenaFull{.wanted_bytes = count * (sizeof(Span) + 1), .most_bytes = most_bytes_};
  return static_cast<Span*>(take(count * sizeof(Span), alignof(Span)));
}

void* Arena::take(size_t size_bytes, size_t alignment) {
  if (size_bytes > kSmallBlock / 4) {
    large_.push_back(make_block(size_bytes));
    return large_.back().data.get();
  }
  used_ = (used_ + alignment - 1) / alignment * alignment;
  if (block_ < small_.size() && used_ + size_bytes > kSmallBlock) {
    ++block_;
    used_ = 0;
  }
  if (block_ == small_.size()) small_.push_back(make_block(kSmallBlock));
  char* const result = small_[block_].data.get() + used_;
  used_ += size_bytes;
  return result;
}

void Arena::drop_since(size_t mark, const NormalizedText& kept) {
  if (large_.size() <= mark) return;
  const auto is_used = [&](const Block& block) {
    const auto holds = [&](const void* address) {
      return std::less_equal<>()(static_cast<const void*>(block.data.get()), address) &&
             std::less<>()(address, static_cast<const void*>(block.data.get() + block.size));
    };
    return holds(kept.text.data()) || holds(kept.alignment);
  };
  const auto first = large_.begin() + static_cast<std::ptrdiff_t>(mark);
  const auto end = std::stable_partition(first, large_.end(), is_used);
  for (auto it = end; it != large_.end(); ++it) size_bytes_ -= it->size;
  large_.erase(end, large_.end());
}

Span NormalizedText::origin(size_t at) const {
  if (alignment != nullptr) return alignment[at];
  size_t begin = at, end = at + 1;
  while (begin > 0 && is_continuation(text[begin])) --begin;
  while (end < text.size() && is_continuation(text[end])) ++end;
  return {original.begin + static_cast<uint32_t>(begin), original.begin + static_cast<uint32_t>(end)};
}

Span NormalizedText::origin(size_t begin, size_t end) const {
  if (begin >= end || end > text.size())
    return {original.begin + static_cast<uint32_t>(begin), original.begin + static_cast<uint32_t>(end)};
  return {origin(begin).begin, origin(end - 1).end};
}

NormalizedText NormalizedText::slice(size_t begin, size_t end) const {
  return {.text = text.substr(begin, end - begin),
          .alignment = alignment == nullptr ? nullptr : alignment + begin,
          .original = origin(begin, end),
          .is_bytes = is_bytes};
}

Rewriter::Rewriter(const NormalizedText& source, Arena& arena, size_t capacity, size_t removed)
    : source_(source), arena_(arena) {
  grow(std::max<size_t>(capacity, 16));
  // The reference rewrites what covers the original; leading insertions without an origin stay in front, untouched.
  if (source.alignment != nullptr && source.original.begin != source.original.end) {
    while (at_ < source.text.size() && source.alignment[at_].begin == source.alignment[at_].end) ++at_;
    std::memcpy(text_, source.text.data(), at_);
    std::copy(source.alignment, source.alignment + at_, spans_);
    size_ = at_;
  }
  skip(removed);
}

void Rewriter::grow(size_t size_bytes) {
  char* const text = arena_.text(size_bytes);
  Span* const spans = arena_.spans(size_bytes);
  if (size_ > 0) {
    std::memcpy(text, text_, size_);
    std::copy(spans_, spans_ + size_, spans);
  }
  text_ = text;
  spans_ = spans;
  capacity_ = size_bytes;
}

void Rewriter::skip(size_t characters) {
  for (; characters > 0 && at_ < source_.text.size(); --characters) at_ += decode_at(source_.text, at_).size;
}

void Rewriter::emit(char32_t c, int64_t change) {
  if (capacity_ - size_ < 4) grow(capacity_ * 2);
  Span span{source_.original.begin, source_.original.begin};
  if (change > 0) {
    if (at_ > 0) span = source_.origin(at_ - 1);
  } else {
    if (!source_.text.empty()) span = source_.origin(std::min(at_, source_.text.size() - 1));
    skip(static_cast<size_t>(1 - change));
  }
  const uint32_t bytes = encode_utf8(c, text_ + size_);
  std::fill(spans_ + size_, spans_ + size_ + bytes, span);
  size_ += bytes;
}

NormalizedText Rewriter::finish() {
  return {.text = {text_, size_}, .alignment = spans_, .original = source_.original};
}

NormalizedText prepend(const NormalizedText& source, std::string_view prefix, Arena& arena) {
  if (source.text.empty()) return source;
  const size_t size = source.text.size() + prefix.size();
  char* const text = arena.text(size);
  Span* const spans = arena.spans(size);
  std::memcpy(text, prefix.data(), prefix.size());
  std::memcpy(text + prefix.size(), source.text.data(), source.text.size());
  std::fill(spans, spans + prefix.size(), source.origin(0));
  for (size_t i = 0; i < source.text.size(); ++i) spans[prefix.size() + i] = source.origin(i);
  return {.text = {text, size}, .alignment = spans, .original = source.original, .is_bytes = source.is_bytes};
}

NormalizedText spell_bytes(const NormalizedText& source, Arena& arena) {
  char* const text = arena.text(source.text.size() * 2);
  Span* const spans = arena.spans(source.text.size() * 2);
  size_t size = 0;
  for (size_t i = 0; i < source.text.size(); ++i) {
    const uint32_t bytes = encode_utf8(byte_to_char(static_cast<uint8_t>(source.text[i])), text + size);
    std::fill(spans + size, spans + size + bytes, source.origin(i));
    size += bytes;
  }
  return {.text = {text, size}, .alignment = spans, .original = source.original};
}

NormalizedText replace_matches(const NormalizedText& source, const std::vector<Match>& matches,
                               std::string_view content, Arena& arena) {
  size_t size = 0;
  for (const auto& match : matches) size += match.is_match ? content.size() : match.end - match.begin;
  char* const text = arena.text(size);
  Span* const spans = arena.spans(size);
  size_t at = 0;
  for (const auto& [begin, end, is_match] : matches) {
    if (is_match) {
      const Span span = end == 0 ? Span{source.original.begin, source.original.begin} : source.origin(end - 1);
      std::memcpy(text + at, content.data(), content.size());
      std::fill(spans + at, spans + at + content.size(), span);
      at += content.size();
    } else {
      std::memcpy(text + at, source.text.data() + begin, end - begin);
      for (size_t i = begin; i < end; ++i) spans[at + i - begin] = source.origin(i);
      at += end - begin;
    }
  }
  return {.text = {text, size}, .alignment = spans, .original = source.original};
}

}  // namespace transformers::detail
