#include "transformers/modeling/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mse_loss.h>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

static at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels, int64_t ignored) {
  return at::cross_entropy_loss(logits.reshape({-1, logits.size(-1)}),
                                labels.reshape({-1}).to(logits.device(), at::kLong), {}, at::Reduction::Mean, ignored);
}

at::Tensor token_loss(const at::Tensor& logits, const at::Tensor& labels) {
  return cross_entropy(logits, labels, kIgnoredLabel);
}

at::Tensor causal_lm_loss(const at::Tensor& logits, const at::Tensor& labels) {
  const auto next = at::constant_pad_nd(labels, {0, 1}, kIgnoredLabel).slice(-1, 1);
  return cross_entropy(logits.to(at::kFloat), next, kIgnoredLabel);
}

static void check_labels(const at::Tensor& labels, at::IntArrayRef expected, std::string_view problem_type) {
  int64_t count = 1;
  for (const auto size : expected) count *= size;
  if (labels.numel() != count || labels.size(0) != expected[0])
    throw ValueError(transformers::str("labels has the shape ", labels.sizes(), ", expected ", expected,
                                       " for the problem_type ", problem_type));
}

at::Tensor sequence_loss(const PretrainedConfig& config, const at::Tensor& logits, const at::Tensor& labels) {
  const int64_t count = config.num_labels();
  const bool are_classes = labels.scalar_type() == at::kLong || labels.scalar_type() == at::kInt;
  const std::string guess = count == 1    ? "regression"
                            : are_classes ? "single_label_classification"
                                          : "multi_label_classification";
  const auto type = config.problem_type.value_or(guess);
  const bool is_single = type == "single_label_classification" || (type == "regression" && count == 1);
  if (is_single)
    check_labels(labels, {logits.size(0)}, type);
  else
    check_labels(labels, logits.sizes(), type);
  if (type == "regression")
    return count == 1 ? at::mse_loss(logits.squeeze(), labels.squeeze().to(logits.options()))
                      : at::mse_loss(logits, labels.to(logits.options()));
  if (type == "single_label_classification") return cross_entropy(logits, labels, kIgnoredLabel);
  if (type == "multi_label_classification")
    return at::binary_cross_entropy_with_logits(logits, labels.to(logits.options()));
  throw ValueError(str("unknown problem_type ", quote(type),
                       "; known are regression, single_label_classification, multi_label_classification"));
}

at::Tensor span_loss(const at::Tensor& start_logits, const at::Tensor& end_logits, const at::Tensor& start_positions,
                     const at::Tensor& end_positions) {
  // Positions outside the input, as long documents have them, count for nothing.
  const int64_t end = start_logits.size(1);
  const auto one = [&](const at::Tensor& logits, const at::Tensor& positions) {
    return cross_entropy(logits, positions.reshape({-1}).clamp(0, end), end);
  };
  return (one(start_logits, start_positions) + one(end_logits, end_positions)) / 2;
}

}  // namespace transformers
