#include "transformers/tokenizers/detail/vocabulary.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {

void TextMap::reserve(size_t keys, size_t bytes) {
  pool_.reserve(bytes);
  size_t slots = 16;
  while (slots < keys * 2) slots *= 2;
  if (slots > slots_.size()) grow(slots);
}

void TextMap::grow(size_t slots) {
  const auto old = std::move(slots_);
  slots_.assign(slots, {});
  mask_ = slots - 1;
  for (const auto& slot : old) {
    if (slot.size == kFree) continue;
    size_t i = hash_bytes(text(slot)) & mask_;
    while (slots_[i].size != kFree) i = (i + 1) & mask_;
    slots_[i] = slot;
  }
}

void TextMap::set(std::string_view key, uint32_t value) {
  if (key.size() >= kFree - pool_.size()) throw ValueError("a vocabulary holds more than 4 GiB of text");
  if (size_ * 2 >= slots_.size()) grow(std::max<size_t>(16, slots_.size() * 2));
  const uint64_t hash = hash_bytes(key);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  size_t i = hash & mask_;
  for (; slots_[i].size != kFree; i = (i + 1) & mask_)
    if (slots_[i].tag == tag && text(slots_[i]) == key) {
      slots_[i].value = value;
      return;
    }
  slots_[i] = {tag, static_cast<uint32_t>(pool_.size()), static_cast<uint32_t>(key.size()), value};
  pool_ += key;
  ++size_;
}

void Vocabulary::reserve(size_t tokens, size_t bytes) {
  ids_.reserve(tokens, bytes);
  entries_.reserve(tokens);
  blocks_.emplace_back().reserve(bytes);
}

void Vocabulary::add(std::string_view token, uint32_t id) {
  constexpr size_t kBlock = size_t{1} << 16;
  ids_.set(token, id);
  if (blocks_.empty() || blocks_.back().capacity() - blocks_.back().size() < token.size())
    blocks_.emplace_back().reserve(std::max(token.size(), kBlock));
  const char* const begin = blocks_.back().data() + blocks_.back().size();
  blocks_.back() += token;
  const auto entry = static_cast<uint32_t>(entries_.size());
  entries_.push_back({{begin, token.size()}, id});
  // Ids that follow each other closely go into a list, outliers into a map: a huge id costs nothing.
  if (id >= dense_.size() && id < entries_.size() * 4 + 1024)
    dense_.resize(std::max<size_t>(id + 1, dense_.size() * 3 / 2), kAbsent);
  if (id < dense_.size()) {
    dense_[id] = entry;
    if (!sparse_.empty()) sparse_.erase(id);
  } else {
    sparse_[id] = entry;
  }
}

Json Vocabulary::to_json() const {
  std::vector<const Entry*> order;
  order.reserve(entries_.size());
  for (const auto& entry : entries_)
    if (ids_.find(entry.text) == entry.id) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->id < b->id; });
  Json::Object object;
  object.reserve(order.size());
  for (const auto* entry : order) object.emplace_back(std::string(entry->text), Json(int64_t{entry->id}));
  return Json(std::move(object));
}

Vocabulary Vocabulary::from_json(const Fields& model) {
  const Json& json = model.require("vocab");
  if (!json.is_object()) model.fail("vocab", str("must be an object of tokens and ids, found ", json.type_name()));
  size_t bytes = 0;
  for (const auto& [token, id] : json.as_object()) bytes += token.size();
  Vocabulary vocabulary;
  vocabulary.reserve(json.size(), bytes);
  for (const auto& [token, value] : json.as_object()) {
    const auto id = as_token_id(value);
    if (!id)
      model.fail("vocab", str("gives ", quote(token), " the id ",
                              value.is_int() ? std::to_string(value.as_int()) : str("of type ", value.type_name()),
                              "; expected a whole number from 0 to 4294967295"));
    vocabulary.add(token, *id);
  }
  return vocabulary;
}

}  // namespace transformers::detail
