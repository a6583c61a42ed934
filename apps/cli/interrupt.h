#pragma once

#include <exception>

namespace transformers::cli {

/// What a program returns that Ctrl-C ended, as shells count.
inline constexpr int kInterrupted = 130;

/// From now on Ctrl-C sets a mark and does not end the program; the second one does where `ends_at_second`.
void catch_interrupts(bool ends_at_second);
/// The same for SIGTERM.
void catch_termination(bool ends_at_second);
/// True when Ctrl-C was pressed since the last call.
[[nodiscard]] bool take_interrupt();
/// The same without taking it back.
[[nodiscard]] bool is_interrupted();

/// Unwinds a job that a signal ended, so that nothing half done stays; main gives `exit_code`.
struct Interrupted : std::exception {
  explicit Interrupted(int code) : exit_code(code) {}
  [[nodiscard]] const char* what() const noexcept override { return "interrupted"; }
  int exit_code;
};
/// Throws Interrupted once a signal has come.
void throw_if_interrupted();

}  // namespace transformers::cli
