#include "apps/cli/terminal.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

[[noreturn]] void throw_write_error() {
  if (errno == EPIPE) throw BrokenPipe();
  throw OSError(str("stdout: cannot be written: ", std::strerror(errno)));
}

// stdin by lines; it knows whether more can be read without waiting, which stdio does not tell.
class Input {
 public:
  bool read_line(std::string& line) {
    size_t searched = 0;
    while (true) {
      const auto end = held_.find('\n', begin_ + searched);
      if (end != std::string::npos) return take(line, end, end + 1);
      searched = held_.size() - begin_;
      if (!fill()) return begin_ < held_.size() && is_at_end_ && take(line, held_.size(), held_.size());
    }
  }

  [[nodiscard]] bool is_ready() const {
    if (held_.find('\n', begin_) != std::string::npos || is_at_end_) return true;
    pollfd end = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    return poll(&end, 1, 0) == 1;
  }

 private:
  bool take(std::string& line, size_t end, size_t next) {
    line.assign(held_, begin_, end - begin_);
    begin_ = next;
    return true;
  }

  // False at the end of the input and when a signal came.
  bool fill() {
    if (is_at_end_) return false;
    held_.erase(0, std::exchange(begin_, 0));
    const auto size = held_.size();
    held_.resize(size + kBlock);
    const auto count = ::read(STDIN_FILENO, held_.data() + size, kBlock);
    const int error = errno;
    held_.resize(size + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && error != EINTR) throw OSError(str("stdin: cannot be read: ", std::strerror(error)));
    is_at_end_ = count == 0;
    return count > 0;
  }

  static constexpr size_t kBlock = 1 << 16;
  std::string held_ = {};
  size_t begin_ = 0;  // of what no line has had yet
  bool is_at_end_ = false;
};

Input& input() {
  static Input one;
  return one;
}

// The length of the UTF-8 character that `text` begins with; 0 when it begins with none.
size_t character_length(std::string_view text) {
  for (size_t length = 1; length <= std::min<size_t>(4, text.size()); ++length)
    if (is_utf8(text.substr(0, length))) return length;
  return 0;
}

// C0, DEL, C1, and the characters that turn the direction of writing.
bool is_unsafe(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  if (character.size() == 2) return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
  const bool is_embedding = character >= "\xe2\x80\xaa" && character <= "\xe2\x80\xae";
  const bool is_isolate = character >= "\xe2\x81\xa6" && character <= "\xe2\x81\xa9";
  return character.size() == 3 && (is_embedding || is_isolate);
}

std::string escaped(std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto length = character_length(text.substr(at));
    const auto character = text.substr(at, std::max<size_t>(length, 1));
    at += character.size();
    if (character == "\n" || character == "\t") {
      out += ' ';
    } else if (length > 0 && !is_unsafe(character)) {
      out += character;
    } else {
      for (const char c : character) {
        out += "\\x";
        out += hex[static_cast<unsigned char>(c) >> 4];
        out += hex[static_cast<unsigned char>(c) & 15];
      }
    }
  }
  return out;
}

// As the library's own sink, but safe to show: the lines under a record's first are indented, so that none of them
// looks like a record of its own.
void show_record(const logging::Record& record) {
  constexpr std::string_view names[] = {"debug", "info", "warning", "error"};
  constexpr std::string_view kIndent = "  ";
  std::string out;
  for (const auto& line : split(record.text, '\n')) {
    if (out.empty())
      out = str(names[static_cast<size_t>(record.level)], ": ");
    else if (!line.starts_with(kIndent))
      out += kIndent;
    out += printable_line(line) + "\n";
  }
  write_error(out);
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

bool read_line(std::string& line) { return input().read_line(line); }
bool input_is_ready() { return input().is_ready(); }

std::string printable_line(std::string_view text) {
  constexpr size_t kMost = 1000, kTail = 250;  // the end often says what to do
  auto line = escaped(text);
  if (line.size() <= kMost) return line;
  const auto begins_character = [&](size_t at) { return (static_cast<unsigned char>(line[at]) & 0xc0) != 0x80; };
  size_t head_end = kMost - kTail, tail = line.size() - kTail;
  while (!begins_character(head_end)) --head_end;
  while (!begins_character(tail)) ++tail;
  return str(std::string_view(line).substr(0, head_end), " … ", std::string_view(line).substr(tail));
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text + "  ";
}

void set_up_log(const Arguments& arguments) {
  logging::set_sink(show_record);
  if (arguments.has("quiet")) logging::set_verbosity(logging::Level::Error);
}

}  // namespace transformers::cli
