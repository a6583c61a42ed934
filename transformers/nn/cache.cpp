#include "transformers/nn/cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <bit>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::nn {

namespace {

constexpr int64_t kLengthDim = 2;

at::Tensor with_length(const at::Tensor& like, int64_t length) {
  auto shape = like.sizes().vec();
  shape[kLengthDim] = length;
  return at::empty(shape, like.options());
}

at::Tensor append(const at::Tensor& old, const at::Tensor& more) {
  return old.defined() ? at::cat({old, more}, kLengthDim) : more;
}

void select_batch(at::Tensor& tensor, const at::Tensor& index) {
  if (tensor.defined()) tensor = tensor.index_select(0, index.to(tensor.device()));
}

int64_t checked_length(int64_t length) {
  if (length < 0) throw ValueError(str("a cache cannot be cropped to ", length, " tokens"));
  return length;
}

}  // namespace

void DynamicLayer::reserve(const at::Tensor& like, int64_t length) {
  if (keys_.defined() && keys_.size(kLengthDim) >= length) return;
  // The first call, often the prompt, leaves room for a reply; later growth doubles.
  const int64_t capacity = std::max<int64_t>(std::bit_ceil(static_cast<uint64_t>(length) + 1), 64);
  auto keys = with_length(like, capacity), values = with_length(like, capacity);
  if (length_ > 0) {
    keys.narrow(kLengthDim, 0, length_).copy_(keys_.narrow(kLengthDim, 0, length_));
    values.narrow(kLengthDim, 0, length_).copy_(values_.narrow(kLengthDim, 0, length_));
  }
  keys_ = keys;
  values_ = values;
}

std::pair<at::Tensor, at::Tensor> DynamicLayer::update(const at::Tensor& k, const at::Tensor& v) {
  const int64_t total = length_ + k.size(kLengthDim);
  // Autograd needs every past value intact: writing in place would spoil it. Values of another width than the keys do
  // not fit one allocation rule either.
  if ((at::GradMode::is_enabled() && (k.requires_grad() || v.requires_grad())) || !k.sizes().equals(v.sizes())) {
    keys_ = append(keys_.defined() ? keys_.narrow(kLengthDim, 0, length_) : keys_, k);
    values_ = append(values_.defined() ? values_.narrow(kLengthDim, 0, length_) : values_, v);
    length_ = total;
    return {keys_, values_};
  }
  reserve(k, total);
  keys_.narrow(kLengthDim, length_, k.size(kLengthDim)).copy_(k);
  values_.narrow(kLengthDim, length_, k.size(kLengthDim)).copy_(v);
  length_ = total;
  return {keys_.narrow(kLengthDim, 0, total), values_.narrow(kLengthDim, 0, total)};
}

void DynamicLayer::reorder(const at::Tensor& batch_index) {
  select_batch(keys_, batch_index);
  select_batch(values_, batch_index);
}

void DynamicLayer::reset() {
  keys_ = values_ = at::Tensor();
  length_ = 0;
}

void DynamicLayer::crop(int64_t length) { length_ = std::min(length_, checked_length(length)); }

std::pair<at::Tensor, at::Tensor> StaticLayer::update(const at::Tensor& k, const at::Tensor& v) {
  const int64_t count = k.size(kLengthDim);
  if (length_ + count > max_length_)
    throw ValueError(str("the static cache holds ", max_length_, " positions, ", length_ + count, " are needed"));
  if (!keys_.defined()) {
    keys_ = with_length(k, max_length_).zero_();
    values_ = with_length(v, max_length_).zero_();
  }
  keys_.narrow(kLengthDim, length_, count).copy_(k);
  values_.narrow(kLengthDim, length_, count).copy_(v);
  length_ += count;
  return {keys_, values_};
}

void StaticLayer::reorder(const at::Tensor& batch_index) {
  select_batch(keys_, batch_index);
  select_batch(values_, batch_index);
}

void StaticLayer::reset() { length_ = 0; }

void StaticLayer::crop(int64_t length) { length_ = std::min(length_, checked_length(length)); }

std::pair<at::Tensor, at::Tensor> SlidingLayer::update(const at::Tensor& k, const at::Tensor& v) {
  const auto keys = append(keys_, k), values = append(values_, v);
  length_ += k.size(kLengthDim);
  const int64_t kept = std::min(keys.size(kLengthDim), window_ - 1);
  keys_ = keys.narrow(kLengthDim, keys.size(kLengthDim) - kept, kept);
  values_ = values.narrow(kLengthDim, values.size(kLengthDim) - kept, kept);
  return {keys, values};
}

CacheLayer::Extent SlidingLayer::extent(int64_t queries) const {
  const int64_t kept = std::min(length_, window_ - 1);
  return {kept + queries, length_ - kept};
}

void SlidingLayer::reorder(const at::Tensor& batch_index) {
  select_batch(keys_, batch_index);
  select_batch(values_, batch_index);
}

void SlidingLayer::reset() {
  keys_ = values_ = at::Tensor();
  length_ = 0;
}

void SlidingLayer::crop(int64_t length) {
  if (checked_length(length) >= length_) return;
  if (length_ >= window_)
    throw ValueError(
        str("a sliding window of ", window_, " has already dropped tokens and cannot go back to ", length));
  keys_ = keys_.narrow(kLengthDim, 0, length);
  values_ = values_.narrow(kLengthDim, 0, length);
  length_ = length;
}

CacheLayer& Cache::at(int64_t layer) {
  while (static_cast<int64_t>(layers_.size()) <= layer) layers_.push_back(make_(static_cast<int64_t>(layers_.size())));
  return *layers_[static_cast<size_t>(layer)];
}

std::pair<at::Tensor, at::Tensor> Cache::update(int64_t layer, const at::Tensor& k, const at::Tensor& v) {
  return at(layer).update(k, v);
}

int64_t Cache::length() const { return layers_.empty() ? 0 : layers_.front()->length(); }

CacheLayer::Extent Cache::extent(int64_t layer, int64_t queries) { return at(layer).extent(queries); }

void Cache::reorder(const at::Tensor& batch_index) {
  for (auto& layer : layers_) layer->reorder(batch_index);
  for (auto& cross : cross_) {
    select_batch(cross.keys, batch_index);
    select_batch(cross.values, batch_index);
  }
}

void Cache::reset() {
  for (auto& layer : layers_) layer->reset();
  cross_.clear();
}

void Cache::crop(int64_t length) {
  for (auto& layer : layers_) layer->crop(length);
}

Cache::Cross& Cache::cross(int64_t layer) {
  if (static_cast<int64_t>(cross_.size()) <= layer) cross_.resize(static_cast<size_t>(layer) + 1);
  return cross_[static_cast<size_t>(layer)];
}

std::shared_ptr<Cache> dynamic_cache() {
  return std::make_shared<Cache>([](int64_t) { return std::make_unique<DynamicLayer>(); });
}

std::shared_ptr<Cache> sliding_cache(std::vector<std::optional<int64_t>> windows) {
  return std::make_shared<Cache>([windows = std::move(windows)](int64_t layer) -> std::unique_ptr<CacheLayer> {
    const auto window =
        static_cast<size_t>(layer) < windows.size() ? windows[static_cast<size_t>(layer)] : std::nullopt;
    if (window) return std::make_unique<SlidingLayer>(*window);
    return std::make_unique<DynamicLayer>();
  });
}

std::shared_ptr<Cache> static_cache(int64_t max_length) {
  return std::make_shared<Cache>([max_length](int64_t) { return std::make_unique<StaticLayer>(max_length); });
}

}  // namespace transformers::nn
