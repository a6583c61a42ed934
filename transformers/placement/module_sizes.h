#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace transformers {

/// A parameter or buffer as planning sees it.
struct SizedTensor {
  std::string name = {};  // full, dotted
  int64_t bytes = 0;
  bool is_buffer = false;
};

/// A module tree as planning sees it: names, classes and bytes. A value, so that plans can be made and tested by hand.
struct SizedModule {
  std::string name = {};        // full, dotted; "" is the model
  std::string class_name = {};  // without its namespace, as no-split lists give it
  std::vector<SizedTensor> tensors = {};
  std::vector<SizedModule> children = {};
  int64_t bytes = 0;  // of its tensors and those of its children
};

/// The class of a module without its namespace, as no-split lists give it.
[[nodiscard]] std::string plain_class_name(const torch::nn::Module& module);

/// The tree of a model, on meta or not, its parameters and buffers in the dtypes that they have. Tensors that
/// `tied_targets` names take no bytes: their source does.
[[nodiscard]] SizedModule measure(const torch::nn::Module& model, const std::vector<std::string>& tied_targets);

/// The bytes of the largest unit that is never divided: a module without children or of a class in `no_split`.
[[nodiscard]] int64_t largest_layer_bytes(const SizedModule& module, const std::vector<std::string>& no_split);

}  // namespace transformers
