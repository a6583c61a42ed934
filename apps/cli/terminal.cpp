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
  if (arguments.has("quiet")) logging::set_verbosity(logging::Level::Error);
}

}  // namespace transformers::cli
