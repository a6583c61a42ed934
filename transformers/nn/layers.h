#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <string>

#include "transformers/nn/lora.h"
#include "transformers/nn/module.h"

namespace transformers::nn {

/// y = x Wᵀ + b; weight (out, in), bias (out).
struct Linear final : ModuleOf<torch::nn::LinearImpl>, LoraLayer {
  struct Options {
    int64_t in = 0, out = 0;
    bool bias = true;
  };
  explicit Linear(const Options& options);
  at::Tensor forward(const at::Tensor& x);
  [[nodiscard]] LoraShape lora_shape() const override;

 protected:
  [[nodiscard]] Base lora_base() const override;
};

/// y = x W + b; weight (in, out): GPT-2's transposed linear layer. Reference: Conv1D.
struct Conv1D final : Module, LoraLayer {
  struct Options {
    int64_t in = 0, out = 0;
  };
  explicit Conv1D(const Options& options);
  at::Tensor forward(const at::Tensor& x);
  [[nodiscard]] LoraShape lora_shape() const override;
  at::Tensor weight, bias;

 protected:
  [[nodiscard]] Base lora_base() const override;
};

/// Rows of a table; weight (count, size). Ids outside the table: ValueError naming the id and the range.
struct Embedding final : ModuleOf<torch::nn::EmbeddingImpl>, LoraLayer {
  struct Options {
    int64_t count = 0, size = 0;
    std::optional<int64_t> padding = {};  // its row is initialised to zero and gets no gradient
  };
  explicit Embedding(const Options& options);
  at::Tensor forward(const at::Tensor& ids);
  [[nodiscard]] LoraShape lora_shape() const override;

 protected:
  [[nodiscard]] Base lora_base() const override;
};

struct LayerNorm final : ModuleOf<torch::nn::LayerNormImpl> {
  struct Options {
    int64_t size = 0;
    double eps = 1e-5;
    bool bias = true;
  };
  explicit LayerNorm(const Options& options);
  at::Tensor forward(const at::Tensor& x);
};

/// Root-mean-square norm over the last dimension, statistics in float32 (arXiv 1910.07467).
struct RMSNorm final : Module {
  struct Options {
    int64_t size = 0;
    double eps = 1e-6;
  };
  explicit RMSNorm(const Options& options);
  at::Tensor forward(const at::Tensor& x);
  at::Tensor weight;
  double eps;
};

/// 2-D convolution without padding; weight (out, in, kernel, kernel).
struct Conv2d final : ModuleOf<torch::nn::Conv2dImpl> {
  struct Options {
    int64_t in = 0, out = 0, kernel = 1, stride = 1;
  };
  explicit Conv2d(const Options& options);
};

/// Zeroes elements with probability `p` while the module is in training mode.
struct Dropout final : Module {
  struct Options {
    double p = 0.0;
  };
  explicit Dropout(const Options& options) : p(options.p) {}
  at::Tensor forward(const at::Tensor& x);
  double p;
};

/// act(gate(x)) * up(x), projected down; the feed-forward of Llama and its kin (arXiv 2002.05202).
class GatedMLP final : public Module {
 public:
  struct Options {
    int64_t hidden = 0, inner = 0;
    std::string activation = "silu";
    bool bias = false;
  };
  explicit GatedMLP(const Options& options);
  at::Tensor forward(const at::Tensor& x);

 private:
  Ref<Linear> gate_proj, up_proj, down_proj;
  std::string activation_;
};

}  // namespace transformers::nn
