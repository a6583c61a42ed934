#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/tokenizers/detail/fields.h"

namespace transformers::detail {

[[nodiscard]] inline uint64_t hash_bytes(std::string_view bytes) {
  uint64_t hash = 0x9E3779B97F4A7C15ULL ^ bytes.size();
  const char* at = bytes.data();
  size_t left = bytes.size();
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * 0xD6E8FEB86659FD93ULL;
    hash ^= hash >> 32;
  };
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word = 0;
    __builtin_memcpy(&word, at, 8);
    mix(word);
  }
  uint64_t word = 0;
  __builtin_memcpy(&word, at, left);
  mix(word);
  return hash;
}

/// Text → 32-bit number in open addressing; keys are copied into one pool. Later keys replace earlier ones.
class TextMap {
 public:
  void reserve(size_t keys, size_t bytes);
  void set(std::string_view key, uint32_t value);
  [[nodiscard]] std::optional<uint32_t> find(std::string_view key) const {
    if (slots_.empty()) return std::nullopt;
    const uint64_t hash = hash_bytes(key);
    for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.size == kFree) return std::nullopt;
      if (slot.tag == static_cast<uint32_t>(hash >> 32) && text(slot) == key) return slot.value;
    }
  }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Slot {
    uint32_t tag = 0, begin = 0, size = kFree, value = 0;
  };
  [[nodiscard]] std::string_view text(const Slot& slot) const { return {pool_.data() + slot.begin, slot.size}; }
  void grow(size_t slots);
  std::vector<Slot> slots_;
  std::string pool_;
  size_t size_ = 0, mask_ = 0;
};

/// The tokens of a model: text ↔ id. Memory depends on the number of tokens, never on the size of an id.
class Vocabulary {
 public:
  void reserve(size_t tokens, size_t bytes);
  void add(std::string_view token, uint32_t id);
  [[nodiscard]] std::optional<uint32_t> find(std::string_view token) const { return ids_.find(token); }
  /// The token of an id; absent when the id is unknown.
  [[nodiscard]] std::optional<std::string_view> token(uint32_t id) const {
    const uint32_t* const entry = entry_of(id);
    return entry == nullptr ? std::nullopt : std::optional(std::string_view(entries_[*entry].text));
  }
  /// Distinct texts.
  [[nodiscard]] size_t size() const { return ids_.size(); }
  /// True when no text was added twice, so that every id's text leads back to it.
  [[nodiscard]] bool is_unique() const { return entries_.size() == ids_.size(); }
  /// An object of texts and ids, ordered by id.
  [[nodiscard]] Json to_json() const;

  /// From `"vocab": {text: id}`.
  [[nodiscard]] static Vocabulary from_json(const Fields& model);

 private:
  struct Entry {
    std::string_view text = {};
    uint32_t id = 0;
  };
  static constexpr uint32_t kAbsent = UINT32_MAX;
  [[nodiscard]] const uint32_t* entry_of(uint32_t id) const {
    if (id < dense_.size()) return dense_[id] == kAbsent ? nullptr : &dense_[id];
    const auto it = sparse_.find(id);
    return it == sparse_.end() ? nullptr : &it->second;
  }
  TextMap ids_;
  std::vector<std::string> blocks_;  // the texts of `entries_`; a block never grows beyond its first capacity
  std::vector<Entry> entries_;
  std::vector<uint32_t> dense_;
  std::unordered_map<uint32_t, uint32_t> sparse_;
};

}  // namespace transformers::detail
