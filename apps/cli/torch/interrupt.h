#pragma once

#include "apps/cli/interrupt.h"
#include "transformers/generation/generate.h"

namespace transformers::cli {

/// Ends a generation after the token at which Ctrl-C was pressed.
class StopOnInterrupt final : public StoppingCriteria {
 public:
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override;
};

}  // namespace transformers::cli
