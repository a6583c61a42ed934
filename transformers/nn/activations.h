#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>
#include <vector>

namespace transformers::nn {

using Activation = at::Tensor (*)(const at::Tensor& x);

/// The element-wise function that the reference calls `name` in `hidden_act`; unknown: ValueError listing the names.
[[nodiscard]] Activation activation(std::string_view name);

/// act(gate) * up, fused where a kernel exists for `name`.
[[nodiscard]] at::Tensor gated_activation(std::string_view name, const at::Tensor& gate, const at::Tensor& up);

[[nodiscard]] std::vector<std::string_view> activation_names();

}  // namespace transformers::nn
