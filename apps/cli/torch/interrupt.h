#pragma once

#include "transformers/generation/generate.h"

namespace transformers::cli {

/// What a program returns that Ctrl-C ended, as shells count.
inline constexpr int kInterrupted = 130;

/// From now on Ctrl-C sets a mark and does not end the program; the second one does where `ends_at_second`.
void catch_interrupts(bool ends_at_second);
/// True when Ctrl-C was pressed since the last call.
[[nodiscard]] bool take_interrupt();
/// The same without taking it back.
[[nodiscard]] bool is_interrupted();

/// Ends a generation after the token at which Ctrl-C was pressed.
class StopOnInterrupt final : public StoppingCriteria {
 public:
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override;
};

}  // namespace transformers::cli
