#include "transformers/nn/attention.h"

#include <ATen/ops/dropout.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <limits>
#include <mutex>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/kernels/attention.h"

namespace transformers::nn {

namespace {

at::Tensor repeat_heads(const at::Tensor& x, int64_t heads) {
  const int64_t times = heads / x.size(1);
  return times == 1 ? x : x.unsqueeze(2).expand({x.size(0), x.size(1), times, x.size(2), x.size(3)}).flatten(1, 2);
}

// softmax in float32, as the reference's eager functions do.
AttentionResult eager(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                      const AttentionOptions& o) {
  auto scores = at::matmul(q, repeat_heads(k, q.size(1)).transpose(2, 3)) * o.scale;
  if (mask.defined()) scores = scores + mask;
  if (o.is_causal && !mask.defined() && q.size(2) > 1) {
    const auto later = at::ones({q.size(2), k.size(2)}, q.options().dtype(at::kBool)).triu(k.size(2) - q.size(2) + 1);
    scores = scores.masked_fill(later, -std::numeric_limits<float>::infinity());
  }
  auto weights = at::softmax(scores, -1, at::kFloat).to(q.scalar_type());
  if (o.dropout > 0) weights = at::dropout(weights, o.dropout, true);
  return {.hidden = at::matmul(weights, repeat_heads(v, q.size(1))), .weights = weights};
}

AttentionResult sdpa(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                     const AttentionOptions& o) {
  if (o.dropout == 0) return {.hidden = kernels::attention(q, k, v, mask, o.is_causal, o.scale)};
  // libtorch aligns its causal mask to the first key, not to the last: with a past it would be another mask.
  if (o.is_causal && q.size(2) != k.size(2)) return eager(q, k, v, mask, o);
  std::optional<at::Tensor> optional_mask;
  if (mask.defined()) optional_mask = mask;
  return {.hidden = at::scaled_dot_product_attention(q, k, v, optional_mask, o.dropout, o.is_causal, o.scale,
                                                     k.size(1) != q.size(1))};
}

struct Entry {
  std::string name;
  AttentionFunction function = nullptr;
  bool gives_weights = false;
};

struct Registry {
  std::mutex mutex;
  std::vector<Entry> entries = {{"eager", eager, true}, {"sdpa", sdpa, false}};
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

void AttentionInterface::register_(const std::string& key, AttentionFunction function, bool gives_weights) {
  auto& r = registry();
  const std::lock_guard lock(r.mutex);
  std::erase_if(r.entries, [&](const Entry& entry) { return entry.name == key; });
  r.entries.push_back({key, function, gives_weights});
}

std::vector<std::string> AttentionInterface::valid_keys() const {
  auto& r = registry();
  const std::lock_guard lock(r.mutex);
  std::vector<std::string> names;
  for (const auto& entry : r.entries) names.push_back(entry.name);
  return names;
}

bool AttentionInterface::gives_weights(const std::string& key) const {
  auto& r = registry();
  const std::lock_guard lock(r.mutex);
  for (const auto& entry : r.entries)
    if (entry.name == key) return entry.gives_weights;
  return false;
}

AttentionFunction AttentionInterface::get_interface(const std::string& key) const {
  {
    auto& r = registry();
    const std::lock_guard lock(r.mutex);
    for (const auto& entry : r.entries)
      if (entry.name == key) return entry.function;
  }
  throw KeyError(str("unknown attention implementation ", quote(key), "; known are ", join(valid_keys(), ", ")));
}

}  // namespace transformers::nn
