#pragma once

#include <string>

#include "transformers/base/json.h"
#include "transformers/nn/module.h"

namespace transformers::nn {

/// Rotary position embedding (arXiv 2104.09864) with the length extensions of the reference: default, linear, dynamic
/// (NTK), yarn (arXiv 2309.00071), longrope (arXiv 2402.13753), llama3. Its buffers `inv_freq` and `original_inv_freq`
/// (size / 2) are not saved; casting the model casts them, as in the reference.
class Rotary final : public Module {
 public:
  struct Options {
    int64_t head_size = 0;
    int64_t max_positions = 0;    // max_position_embeddings of the config
    Json parameters = {};         // rope_parameters, standardised; null: no rotary embedding
    bool may_be_partial = false;  // the architecture lets a part of each head stay as it is (partial_rotary_factor)
  };
  explicit Rotary(const Options& options);

  struct Tables {
    at::Tensor cos = {}, sin = {};  // (batch or 1, 1, tokens, rotary size), scaled by the attention factor
  };
  /// `positions`: (batch or 1, tokens). Types that depend on the length (dynamic, longrope) look at the largest one.
  [[nodiscard]] Tables forward(const at::Tensor& positions, at::ScalarType dtype) const;

 private:
  [[nodiscard]] at::Tensor frequencies(int64_t length) const;
  Options options_;
  std::string type_ = "default";
  int64_t size_ = 0;  // rotated elements of a head
  double theta_ = 10000.0, factor_ = 0.0, attention_factor_ = 1.0;
  at::Tensor inv_freq, original_inv_freq;  // (size / 2), inverse wavelengths of short sequences
};

/// Rotates the first `cos.size(-1)` elements of each head of q (batch, heads, tokens, size) and k in half-split order;
/// replaces both.
void apply_rotary(at::Tensor& q, at::Tensor& k, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace transformers::nn
