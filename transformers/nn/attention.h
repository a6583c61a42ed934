#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/nn/cache.h"
#include "transformers/nn/module.h"

namespace transformers::nn {

struct AttentionOptions {
  double scale = 1.0;
  double dropout = 0.0;    // 0 outside training
  bool is_causal = false;  // query i sees keys up to i + (keys - queries); only without a mask
};

struct AttentionResult {
  at::Tensor hidden = {};   // (batch, heads, queries, head_size)
  at::Tensor weights = {};  // (batch, heads, queries, keys); undefined when the function does not give them
};

inline void collect_tensors(AttentionResult& result, Tensors& out) {
  out.push_back(&result.hidden);
  if (result.weights.defined()) out.push_back(&result.weights);
}

/// softmax(q kᵀ scale + mask) v. q: (batch, heads, queries, head_size); k, v: (batch, kv_heads, keys, head_size), heads
/// a multiple of kv_heads; mask: additive, broadcastable to (batch, heads, queries, keys), may be undefined.
using AttentionFunction = AttentionResult (*)(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                              const at::Tensor& mask, const AttentionOptions& options);

/// The registry of attention functions: "eager", "sdpa" and what users add.
struct AttentionInterface {
  /// Adds or replaces a name for all models. `gives_weights`: the function returns attention weights.
  static void register_(const std::string& key, AttentionFunction function, bool gives_weights = false);
  [[nodiscard]] std::vector<std::string> valid_keys() const;
  /// False for an unknown one too.
  [[nodiscard]] bool gives_weights(const std::string& key) const;
  /// Throws KeyError naming the known ones.
  [[nodiscard]] AttentionFunction get_interface(const std::string& key) const;
};

/// What each layer of a stack is given beside the hidden states; one for a whole forward.
struct LayerContext {
  AttentionFunction attend = nullptr;
  at::Tensor mask = {};  // additive, (batch or 1, 1, queries, keys); undefined: nothing is masked but by is_causal
  bool is_causal = false;
  at::Tensor cos = {}, sin = {};            // rotary tables, (batch or 1, 1, queries, rotary_size)
  at::Tensor position_bias = {};            // T5: (1 or batch, heads, queries, keys), mask included
  at::Tensor* new_position_bias = nullptr;  // T5: where the first layer leaves that for the others
  Cache* cache = nullptr;

  at::Tensor encoder_hidden_states = {};  // cross-attention: (batch, source, hidden)
  at::Tensor encoder_mask = {};           // additive, (batch, 1, 1, source)
  at::Tensor encoder_position_bias = {};

  std::vector<at::Tensor>* attentions = nullptr;  // where wanted weights go, one per layer
  std::vector<at::Tensor>* cross_attentions = nullptr;

  void record(const AttentionResult& result) const {
    if (attentions) attentions->push_back(result.weights);
  }
  void record_cross(const AttentionResult& result) const {
    if (cross_attentions) cross_attentions->push_back(result.weights);
  }
};

inline void collect_tensors(LayerContext& context, Tensors& out) {
  for (auto* tensor : {&context.mask, &context.cos, &context.sin, &context.position_bias,
                       &context.encoder_hidden_states, &context.encoder_mask, &context.encoder_position_bias})
    if (tensor->defined()) out.push_back(tensor);
}

/// (batch, seq, heads · size) → (batch, heads, seq, size).
[[nodiscard]] inline at::Tensor split_heads(const at::Tensor& x, int64_t head_size) {
  return x.unflatten(-1, {-1, head_size}).transpose(1, 2);
}
/// The way back.
[[nodiscard]] inline at::Tensor merge_heads(const at::Tensor& x) { return x.transpose(1, 2).flatten(2); }

}  // namespace transformers::nn
