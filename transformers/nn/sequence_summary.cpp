#include "transformers/nn/sequence_summary.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::nn {

SequenceSummary::SequenceSummary(const Options& o) : type_(o.type), act_(activation(o.activation)) {
  if (type_ != "last" && type_ != "first" && type_ != "mean" && type_ != "cls_index")
    throw NotImplementedError(str("summary_type is ", quote(type_), "; known are last, first, mean, cls_index"));
  if (o.out) summary = child<Linear>("summary", {.in = o.hidden, .out = *o.out});
  first_dropout = child<Dropout>("first_dropout", {.p = o.first_dropout});
  last_dropout = child<Dropout>("last_dropout", {.p = o.last_dropout});
}

at::Tensor SequenceSummary::forward(const at::Tensor& x, const at::Tensor& index) {
  auto y = first_dropout(pick(x, index));
  if (summary) y = summary(y);
  return last_dropout(act_(y));
}

// "last", "first" and "mean" look at dimension 1, whatever it is, as the reference does.
at::Tensor SequenceSummary::pick(const at::Tensor& x, const at::Tensor& index) const {
  if (type_ == "last") return x.select(1, -1);
  if (type_ == "first") return x.select(1, 0);
  if (type_ == "mean") return x.mean(1);
  if (!index.defined()) return x.select(-2, -1);
  auto shape = index.sizes().vec();
  shape.insert(shape.end(), {1, x.size(-1)});
  return x.gather(-2, index.unsqueeze(-1).unsqueeze(-1).expand(shape)).squeeze(-2);
}

}  // namespace transformers::nn
