#include "transformers/nn/dense.h"

#include <ATen/ops/cat.h>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::nn {

DenseActivation::DenseActivation(const Options& o)
    : dense(child<Linear>("dense", {.in = o.in, .out = o.out})), activation_(activation(o.activation)) {
  if (o.norm_eps) LayerNorm = child<nn::LayerNorm>("LayerNorm", {.size = o.out, .eps = *o.norm_eps});
}

at::Tensor DenseActivation::forward(const at::Tensor& x) {
  const auto y = activation_(dense(x));
  return LayerNorm ? LayerNorm(y) : y;
}

at::Tensor in_chunks(const at::Tensor& x, int64_t size, const std::function<at::Tensor(const at::Tensor&)>& f) {
  if (size < 1) return f(x);
  if (x.size(1) % size != 0)
    throw ValueError(str("the input has ", x.size(1),
                         " tokens, expected a multiple of chunk_size_feed_forward, which "
                         "is ",
                         size));
  std::vector<at::Tensor> chunks;
  for (const auto& chunk : x.split(size, 1)) chunks.push_back(f(chunk));
  return at::cat(chunks, 1);
}

}  // namespace transformers::nn
