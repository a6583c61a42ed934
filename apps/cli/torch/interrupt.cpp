#include "apps/cli/torch/interrupt.h"

#include <ATen/ops/full.h>

namespace transformers::cli {

at::Tensor StopOnInterrupt::operator()(const at::Tensor& input_ids, const at::Tensor&) {
  return at::full({input_ids.size(0)}, is_interrupted(), at::kBool);
}

}  // namespace transformers::cli
