#pragma once

#include <functional>
#include <optional>
#include <string>

#include "transformers/nn/activations.h"
#include "transformers/nn/layers.h"

namespace transformers::nn {

/// act(dense(x)), then a layer norm when `norm_eps` is given: (…, in) → (…, out). Poolers, first halves of
/// feed-forwards and transforms before a vocabulary are made of it.
class DenseActivation final : public Module {
 public:
  struct Options {
    int64_t in = 0, out = 0;
    std::string activation = "gelu";
    std::optional<double> norm_eps = {};  // adds a child LayerNorm
  };
  explicit DenseActivation(const Options& options);
  at::Tensor forward(const at::Tensor& x);

 private:
  Ref<Linear> dense;
  Ref<nn::LayerNorm> LayerNorm;
  Activation activation_;
};

/// Runs `f` over pieces of `size` tokens of (batch, tokens, …) to save memory where positions do not see each other;
/// 0: all at once. Throws ValueError unless `size` divides the number of tokens. Reference: apply_chunking_to_forward.
[[nodiscard]] at::Tensor in_chunks(const at::Tensor& x, int64_t size,
                                   const std::function<at::Tensor(const at::Tensor&)>& f);

}  // namespace transformers::nn
