#include "apps/cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace transformers::cli {

namespace {

std::atomic<int> caught = 0;  // the signal's number

void note_signal(int signal_number) { caught = signal_number; }

void note_signal_or_end(int signal_number) {
  if (caught.exchange(signal_number) == 0) return;
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

void catch_signal(int signal_number, bool ends_at_second) {
  struct sigaction action = {};
  action.sa_handler = ends_at_second ? note_signal_or_end : note_signal;  // without SA_RESTART: `read` must return
  sigaction(signal_number, &action, nullptr);
}

}  // namespace

void catch_interrupts(bool ends_at_second) { catch_signal(SIGINT, ends_at_second); }
void catch_termination(bool ends_at_second) { catch_signal(SIGTERM, ends_at_second); }

bool take_interrupt() { return caught.exchange(0) != 0; }
bool is_interrupted() { return caught != 0; }

void throw_if_interrupted() {
  if (is_interrupted()) throw Interrupted(128 + caught);
}

}  // namespace transformers::cli
