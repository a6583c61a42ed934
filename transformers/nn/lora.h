#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "transformers/nn/module.h"

namespace transformers::nn {

/// Tensors that an adapter brings to one module, by name. They are parameters like any other: they move, are cast and
/// are found by an optimizer.
class AdapterTensors final : public Module {
 public:
  void put(const std::string& name, at::Tensor value);
  /// Null when there is none of that name. Stays valid, and follows casts and moves.
  [[nodiscard]] const at::Tensor* find(const std::string& name) const;

 private:
  std::map<std::string, at::Tensor> values_;  // its nodes stay where they are: slots point into them
};

/// The tensors that `adapter` keeps in `module` under `kind`, such as "lora_A"; registered, and so named, as in the
/// reference: `lora_A.default.weight`. Null when there are none, unless `make`.
std::shared_ptr<AdapterTensors> adapter_tensors(torch::nn::Module& module, const std::string& kind,
                                                const std::string& adapter, bool make = false);
/// Forgets them; nothing happens when there are none.
void drop_adapter_tensors(torch::nn::Module& module, const std::string& kind, const std::string& adapter);

/// How one adapter's path beside a layer computes.
struct LoraOptions {
  double scaling = 1;
  double dropout = 0;  // of the path's input, in training only
};

struct LoraShape {
  int64_t in = 0, out = 0;
  bool is_embedding = false;  // `in` counts rows; the input is ids
};

/// A layer beside which adapters run low-rank paths: y + scaling · B(A(dropout(x))) for each active one (arXiv
/// 2106.09685). The layer keeps its weights and their names. A path's tensors are found under `lora_A` (rank, in) and
/// `lora_B` (out, rank), or `lora_embedding_A` and `_B` for an embedding; with a `lora_magnitude_vector` (out) it is a
/// DoRA path (arXiv 2402.09353). No call may run while paths are attached, removed or switched.
class LoraLayer {
 public:
  virtual ~LoraLayer() = default;
  [[nodiscard]] virtual LoraShape lora_shape() const = 0;

  /// Lets `adapter`, whose tensors are there, have a path; it takes no part until it is switched on.
  void attach_path(const std::string& adapter, const LoraOptions& options);
  /// Takes the path and its tensors away.
  void remove_path(const std::string& adapter);
  /// From now on the paths of `adapters` take part, in this order; names without a path here are passed over.
  void use_paths(const std::vector<std::string>& adapters);
  /// weight + what the paths in use add to it, in the layer's own layout, computed in float32 at least.
  [[nodiscard]] at::Tensor merged_weight() const;

 protected:
  /// The layer's weight as (out, in), or an embedding's table.
  struct Base {
    torch::nn::Module* module = nullptr;
    at::Tensor weight = {}, bias = {};
    bool is_transposed = false;  // the layer keeps it as (in, out)
  };
  [[nodiscard]] virtual Base lora_base() const = 0;
  [[nodiscard]] bool has_paths() const { return !used_.empty(); }
  /// `y`, which the layer made of `x`, with the paths in use.
  [[nodiscard]] at::Tensor with_paths(const at::Tensor& x, at::Tensor y) const;

 private:
  struct Path {
    std::string adapter;
    LoraOptions options;
    const at::Tensor *a = nullptr, *b = nullptr, *b_bias = nullptr, *magnitude = nullptr;
  };
  [[nodiscard]] at::Tensor embedded(const Path& path, const at::Tensor& ids) const;
  [[nodiscard]] at::Tensor decomposed(const Path& path, const Base& base, const at::Tensor& x,
                                      const at::Tensor& y) const;

  std::vector<Path> paths_, used_;
};

}  // namespace transformers::nn
