#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace transformers::cli_tests {

/// What a run of the program gave.
struct Run {
  int exit_code = -1;  // 128 + the signal's number when it was killed
  std::string out = {}, err = {};
  double seconds = 0;
};

/// Runs the built program with `arguments`; `input` is its stdin, which is a pipe as stdout and stderr are.
[[nodiscard]] Run run_program(const std::vector<std::string>& arguments, const std::string& input = {});
/// The same for any program that PATH has.
[[nodiscard]] Run run_command(const std::vector<std::string>& words, const std::string& input = {});

/// Starts the program, sends it the signal once it has written something, and gives what it wrote in all; its stdin
/// stays open behind `input`.
[[nodiscard]] Run interrupt_program(const std::vector<std::string>& arguments, const std::string& input,
                                    int signal_number);

[[nodiscard]] std::vector<std::string> lines_of(const std::string& text);

/// A folder that is removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

[[nodiscard]] std::filesystem::path test_data(const std::string& name);

}  // namespace transformers::cli_tests
