#pragma once

#include <optional>
#include <string>

#include "transformers/nn/activations.h"
#include "transformers/nn/layers.h"

namespace transformers::nn {

/// One vector per sequence: the state of one token, or the mean, projected. Reference: GPT2SequenceSummary.
class SequenceSummary final : public Module {
 public:
  struct Options {
    std::string type = "last";  // "last", "first", "mean", or "cls_index": the token that is asked for
    int64_t hidden = 0;
    std::optional<int64_t> out = {};  // absent: no projection
    std::string activation = "linear";
    double first_dropout = 0.0, last_dropout = 0.0;
  };
  /// Throws NotImplementedError for an unknown type.
  explicit SequenceSummary(const Options& options);
  /// x: (…, tokens, hidden); index: (…), undefined for the last token → (…, out).
  at::Tensor forward(const at::Tensor& x, const at::Tensor& index);

 private:
  [[nodiscard]] at::Tensor pick(const at::Tensor& x, const at::Tensor& index) const;
  Ref<Linear> summary;
  Ref<Dropout> first_dropout, last_dropout;
  std::string type_;
  Activation act_;
};

}  // namespace transformers::nn
