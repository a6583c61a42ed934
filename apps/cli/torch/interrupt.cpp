#include "apps/cli/torch/interrupt.h"

#include <ATen/ops/full.h>

#include <atomic>
#include <csignal>

namespace transformers::cli {

namespace {

std::atomic<bool> interrupted = false;

void note_interrupt(int) { interrupted = true; }

void note_interrupt_or_end(int signal_number) {
  if (!interrupted.exchange(true)) return;
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

}  // namespace

void catch_interrupts(bool ends_at_second) {
  struct sigaction action = {};
  action.sa_handler =
      ends_at_second ? note_interrupt_or_end : note_interrupt;  // without SA_RESTART: `read` must return
  sigaction(SIGINT, &action, nullptr);
}

bool take_interrupt() { return interrupted.exchange(false); }
bool is_interrupted() { return interrupted; }

at::Tensor StopOnInterrupt::operator()(const at::Tensor& input_ids, const at::Tensor&) {
  return at::full({input_ids.size(0)}, is_interrupted(), at::kBool);
}

}  // namespace transformers::cli
