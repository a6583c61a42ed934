#include "apps/cli/terminal.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

[[noreturn]] void throw_write_error() {
  if (errno == EPIPE) throw BrokenPipe();
  throw OSError(str("stdout: cannot be written: ", std::strerror(errno)));
}

void show_progress(const logging::Progress& progress) {
  constexpr int kCells = 30;
  if (progress.total <= 0) return;
  const auto filled = static_cast<int>(kCells * progress.done / progress.total);
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(kCells, '.');
  write_error(str("\r\033[K", progress.phase, " [", bar, "] ", progress.done, "/", progress.total, " ", progress.unit));
  if (progress.done >= progress.total) write_error("\r\033[K");
}

}  // namespace

void write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) throw_write_error();
}

void flush_out() {
  if (std::fflush(stdout) != 0) throw_write_error();
}

void write_error(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

bool read_line(std::string& line) {
  char* buffer = nullptr;
  size_t capacity = 0;
  errno = 0;
  const auto count = getline(&buffer, &capacity, stdin);
  const std::unique_ptr<char, decltype(&std::free)> owned(buffer, std::free);
  if (count < 0) {
    if (std::ferror(stdin)) throw OSError(str("stdin: cannot be read: ", std::strerror(errno)));
    return false;
  }
  line.assign(buffer, static_cast<size_t>(count));
  if (line.ends_with('\n')) line.pop_back();
  return true;
}

void set_up_log(const Arguments& arguments) {
  if (arguments.has("quiet"))
    logging::set_verbosity(logging::Level::Error);
  else if (stderr_is_terminal())
    logging::set_progress_observer(show_progress);
}

}  // namespace transformers::cli
