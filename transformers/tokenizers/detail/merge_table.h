#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace transformers::detail {

/// (left id, right id) → rank and id of the merged token, in flat open addressing.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank = 0, id = 0;
  };

  explicit MergeTable(size_t merges = 0) {
    size_t slots = 16;
    while (slots < merges * 2) slots *= 2;
    slots_.resize(slots);
    mask_ = slots - 1;
  }
  /// Replaces an earlier merge of the same pair. At most as many as announced.
  void set(uint32_t left, uint32_t right, Merge merge) {
    size_t i = hash(left, right) & mask_;
    while (slots_[i].merge.rank != kFree && (slots_[i].left != left || slots_[i].right != right)) i = (i + 1) & mask_;
    slots_[i] = {left, right, merge};
  }
  [[nodiscard]] const Merge* find(uint32_t left, uint32_t right) const {
    for (size_t i = hash(left, right) & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.left == left && slot.right == right && slot.merge.rank != kFree) return &slot.merge;
      if (slot.merge.rank == kFree) return nullptr;
    }
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Slot {
    uint32_t left = 0, right = 0;
    Merge merge = {kFree, 0};
  };
  static size_t hash(uint32_t left, uint32_t right) {
    uint64_t h = (uint64_t{left} << 32 | right) * 0x9E3779B97F4A7C15ULL;
    return h ^ h >> 29;
  }
  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

}  // namespace transformers::detail
