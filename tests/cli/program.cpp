#include "program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

extern char** environ;

namespace transformers::cli_tests {

namespace fs = std::filesystem;

namespace {

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close_end(read_end);
    close_end(write_end);
  }
  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
};

// What becomes of a program besides its being fed.
struct Manner {
  bool keeps_input_open = false;
  int signal_number = 0;  // sent after the first output; 0: none
};

// Feeds and drains at once, so that neither side waits for the other.
void converse(Pipe& in, Pipe& out, Pipe& err, const std::string& input, pid_t child, Manner manner, Run& run) {
  size_t written = 0;
  if (input.empty() && !manner.keeps_input_open) Pipe::close_end(in.write_end);
  char buffer[1 << 16];
  while (out.read_end >= 0 || err.read_end >= 0) {
    const bool has_more = written < input.size();  // a pipe that is kept open is not looked at
    pollfd ends[] = {{has_more ? in.write_end : -1, POLLOUT, 0}, {out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
    if (poll(ends, 3, -1) < 0) break;
    if (ends[0].revents != 0) {
      const auto count = write(in.write_end, input.data() + written, std::min<size_t>(input.size() - written, 4096));
      if (count > 0) written += static_cast<size_t>(count);
      if (count < 0 || (written == input.size() && !manner.keeps_input_open)) Pipe::close_end(in.write_end);
    }
    for (auto [index, pipe, text] : {std::tuple{1, &out, &run.out}, std::tuple{2, &err, &run.err}}) {
      if (ends[index].revents == 0) continue;
      const auto count = read(pipe->read_end, buffer, sizeof buffer);
      if (count > 0)
        text->append(buffer, static_cast<size_t>(count));
      else
        Pipe::close_end(pipe->read_end);
      if (const int number = std::exchange(manner.signal_number, 0); number != 0 && count > 0) kill(child, number);
    }
  }
}

}  // namespace

static Run run_in(Manner manner, const std::vector<std::string>& words, const std::string& input) {
  std::signal(SIGPIPE, SIG_IGN);  // the program may end before it has read everything
  const auto start = std::chrono::steady_clock::now();
  Pipe in, out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read_end, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv.front(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start " + words.front());
  Pipe::close_end(in.read_end);
  Pipe::close_end(out.write_end);
  Pipe::close_end(err.write_end);
  Run run;
  converse(in, out, err, input, child, manner, run);
  int status = 0;
  waitpid(child, &status, 0);
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

static std::vector<std::string> with_program(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {TRANSFORMERS_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

Run run_command(const std::vector<std::string>& words, const std::string& input) { return run_in({}, words, input); }

Run run_program(const std::vector<std::string>& arguments, const std::string& input) {
  return run_in({}, with_program(arguments), input);
}

Run interrupt_program(const std::vector<std::string>& arguments, const std::string& input, int signal_number) {
  return run_in({.keeps_input_open = true, .signal_number = signal_number}, with_program(arguments), input);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end == std::string::npos ? text.size() : end + 1;
  }
  return lines;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = fs::temp_directory_path() / "transformers-cli-XXXXXX";
  if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path test_data(const std::string& name) { return fs::path(TRANSFORMERS_TEST_DATA) / name; }

}  // namespace transformers::cli_tests
