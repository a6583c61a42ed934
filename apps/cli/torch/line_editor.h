#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace transformers::cli {

/// Reads lines from a terminal with editing and a history that outlives the program.
class LineEditor {
 public:
  enum class End { Line, Interrupt, EndOfInput };
  struct Result {
    End end = End::Line;
    std::string text = {};
    bool was_empty = true;  // nothing stood on the line when it was interrupted
  };

  explicit LineEditor(std::filesystem::path history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// One line; a backslash at the end of a line continues it on the next.
  [[nodiscard]] Result read();

 private:
  struct Impl;
  [[nodiscard]] Result read_physical_line();
  std::unique_ptr<Impl> impl_;
};

/// $XDG_STATE_HOME or ~/.local/state, then /transformers-cpp/chat_history.
[[nodiscard]] std::filesystem::path chat_history_file();

}  // namespace transformers::cli
