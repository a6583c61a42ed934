#pragma once

#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

/// A map that keeps the order of insertion; lookup by hash. Keys are strings or convertible to them for errors.
template <class Key, class Value>
class OrderedMap {
 public:
  using Item = std::pair<Key, Value>;
  OrderedMap() = default;
  OrderedMap(std::initializer_list<Item> items) {
    for (const auto& item : items) set(item.first, item.second);
  }

  /// Adds or replaces; a replaced value keeps its place.
  void set(const Key& key, Value value) {
    if (const auto [it, fresh] = index_.try_emplace(key, items_.size()); fresh)
      items_.emplace_back(key, std::move(value));
    else
      items_[it->second].second = std::move(value);
  }
  [[nodiscard]] const Value* find(const Key& key) const {
    const auto it = index_.find(key);
    return it == index_.end() ? nullptr : &items_[it->second].second;
  }
  [[nodiscard]] Value* find(const Key& key) {
    const auto it = index_.find(key);
    return it == index_.end() ? nullptr : &items_[it->second].second;
  }
  [[nodiscard]] bool contains(const Key& key) const { return index_.contains(key); }
  [[nodiscard]] const Value& at(const Key& key) const {
    if (const auto* value = find(key)) return *value;
    throw KeyError(str("no entry ", quote(key)));
  }
  bool erase(const Key& key) {
    const auto it = index_.find(key);
    if (it == index_.end()) return false;
    items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(it->second));
    index_.clear();
    for (size_t i = 0; i < items_.size(); ++i) index_.emplace(items_[i].first, i);
    return true;
  }
  [[nodiscard]] size_t size() const { return items_.size(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] auto begin() const { return items_.begin(); }
  [[nodiscard]] auto end() const { return items_.end(); }

 private:
  std::vector<Item> items_;
  std::unordered_map<Key, size_t> index_;
};

}  // namespace transformers
