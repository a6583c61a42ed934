#pragma once

#include <ATen/core/Tensor.h>

#include "transformers/config/config.h"

namespace transformers {

/// A label that no loss counts.
inline constexpr int64_t kIgnoredLabel = -100;

/// Mean cross entropy over the labels that are not -100. logits: (…, classes), labels: (…).
[[nodiscard]] at::Tensor token_loss(const at::Tensor& logits, const at::Tensor& labels);
/// token_loss of each token's logits against the next token's label, in float32.
[[nodiscard]] at::Tensor causal_lm_loss(const at::Tensor& logits, const at::Tensor& labels);
/// By config.problem_type, or by what labels and num_labels suggest: mean squared error, cross entropy, or binary cross
/// entropy with logits. logits: (batch, labels).
[[nodiscard]] at::Tensor sequence_loss(const PretrainedConfig& config, const at::Tensor& logits,
                                       const at::Tensor& labels);
/// Mean of the cross entropies of start and end; positions past the end are ignored. Both (batch, tokens).
[[nodiscard]] at::Tensor span_loss(const at::Tensor& start_logits, const at::Tensor& end_logits,
                                   const at::Tensor& start_positions, const at::Tensor& end_positions);

}  // namespace transformers
