#pragma once

#include <string>
#include <string_view>

#include "apps/cli/command.h"

// The only place that writes to the terminal.
namespace transformers::cli {

/// Nobody reads stdout any more: the program ends quietly.
struct BrokenPipe {};

/// Writes to stdout; throws BrokenPipe, or OSError when the disk is full.
void write_out(std::string_view text);
void flush_out();
/// Writes to stderr, ignoring failures.
void write_error(std::string_view text);

[[nodiscard]] bool stdin_is_terminal();
[[nodiscard]] bool stdout_is_terminal();
[[nodiscard]] bool stderr_is_terminal();

/// The next line of stdin without its `\n`, which alone ends a line; false at the end, or when a signal came while it
/// waited. Throws OSError.
[[nodiscard]] bool read_line(std::string& line);
/// True when `read_line` has something to read at once.
[[nodiscard]] bool input_is_ready();

/// Text of anybody as one line that is safe to show: control characters, and what turns the direction of writing, are
/// escaped; a long text is cut in the middle.
[[nodiscard]] std::string printable_line(std::string_view text);

/// For tables: `text` with spaces up to `width` bytes, and two more.
[[nodiscard]] std::string padded(std::string text, size_t width);

/// Warnings go to stderr unless --quiet.
void set_up_log(const Arguments& arguments);

}  // namespace transformers::cli
