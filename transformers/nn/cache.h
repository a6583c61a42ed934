#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace transformers::nn {

/// Keys and values of one layer, each (batch, kv_heads, length, head_size).
class CacheLayer {
 public:
  virtual ~CacheLayer() = default;
  /// Appends `k` and `v` of new tokens; returns what attention must see: the stored positions, then the new ones.
  virtual std::pair<at::Tensor, at::Tensor> update(const at::Tensor& k, const at::Tensor& v) = 0;
  /// Tokens seen so far (for a sliding window more than are kept).
  [[nodiscard]] virtual int64_t length() const = 0;
  /// Number of keys that attention sees for `queries` new tokens, and the position of the first one.
  struct Extent {
    int64_t keys = 0, first = 0;
  };
  [[nodiscard]] virtual Extent extent(int64_t queries) const = 0;
  virtual void reorder(const at::Tensor& batch_index) = 0;
  virtual void reset() = 0;
  /// Forgets all but the first `length` tokens. Throws ValueError where that is impossible.
  virtual void crop(int64_t length) = 0;
};

/// Grows as it is filled; storage grows in powers of two, so that a token costs no copy of the past.
class DynamicLayer final : public CacheLayer {
 public:
  std::pair<at::Tensor, at::Tensor> update(const at::Tensor& k, const at::Tensor& v) override;
  [[nodiscard]] int64_t length() const override { return length_; }
  [[nodiscard]] Extent extent(int64_t queries) const override { return {length_ + queries, 0}; }
  void reorder(const at::Tensor& batch_index) override;
  void reset() override;
  void crop(int64_t length) override;

 private:
  void reserve(const at::Tensor& like, int64_t length);
  at::Tensor keys_, values_;
  int64_t length_ = 0;
};

/// A fixed number of positions, allocated at the first update; overflow: ValueError naming the length.
class StaticLayer final : public CacheLayer {
 public:
  explicit StaticLayer(int64_t max_length) : max_length_(max_length) {}
  std::pair<at::Tensor, at::Tensor> update(const at::Tensor& k, const at::Tensor& v) override;
  [[nodiscard]] int64_t length() const override { return length_; }
  [[nodiscard]] Extent extent(int64_t) const override { return {max_length_, 0}; }
  void reorder(const at::Tensor& batch_index) override;
  void reset() override;
  void crop(int64_t length) override;

 private:
  at::Tensor keys_, values_;
  int64_t max_length_, length_ = 0;
};

/// Keeps the last `window - 1` tokens: what the next token's window can still see.
class SlidingLayer final : public CacheLayer {
 public:
  explicit SlidingLayer(int64_t window) : window_(window) {}
  std::pair<at::Tensor, at::Tensor> update(const at::Tensor& k, const at::Tensor& v) override;
  [[nodiscard]] int64_t length() const override { return length_; }
  [[nodiscard]] Extent extent(int64_t queries) const override;
  void reorder(const at::Tensor& batch_index) override;
  void reset() override;
  void crop(int64_t length) override;

 private:
  at::Tensor keys_, values_;  // of the last min(length, window - 1) tokens
  int64_t window_, length_ = 0;
};

/// The caches of all layers of a decoder. Layers are made on first use. Not thread-safe.
class Cache {
 public:
  using MakeLayer = std::function<std::unique_ptr<CacheLayer>(int64_t layer)>;
  explicit Cache(MakeLayer make) : make_(std::move(make)) {}

  std::pair<at::Tensor, at::Tensor> update(int64_t layer, const at::Tensor& k, const at::Tensor& v);
  /// Tokens seen by the first layer.
  [[nodiscard]] int64_t length() const;
  [[nodiscard]] CacheLayer::Extent extent(int64_t layer, int64_t queries);
  void reorder(const at::Tensor& batch_index);
  void reset();
  void crop(int64_t length);

  /// Cross-attention: keys and values of the encoder, computed once per layer.
  struct Cross {
    at::Tensor keys = {}, values = {};
  };
  [[nodiscard]] Cross& cross(int64_t layer);

 private:
  CacheLayer& at(int64_t layer);
  MakeLayer make_;
  std::vector<std::unique_ptr<CacheLayer>> layers_;
  std::vector<Cross> cross_;
};

[[nodiscard]] std::shared_ptr<Cache> dynamic_cache();
/// `windows[layer]`: the sliding window of each layer, absent for full attention.
[[nodiscard]] std::shared_ptr<Cache> sliding_cache(std::vector<std::optional<int64_t>> windows);
[[nodiscard]] std::shared_ptr<Cache> static_cache(int64_t max_length);

}  // namespace transformers::nn
