// The program: finds the command, runs it, and turns every failure into one line and an exit code.
#include <csignal>
#include <exception>
#include <filesystem>
#include <new>

#include "apps/cli/interrupt.h"
#include "apps/cli/options.h"
#include "apps/cli/parser.h"
#include "apps/cli/terminal.h"
#include "transformers/base/strings.h"
#include "transformers/config/version.h"

namespace transformers::cli {

namespace {

int run(std::span<const std::string> words) {
  if (words.empty()) throw UsageError("no command given", str(kProgram, " --help"));
  const auto& first = words.front();
  if (first == "--help" || first == "-h") {
    write_out(program_help());
    return 0;
  }
  if (first == "--version") {
    write_out(str(kProgram, " ", kVersion, "\n"));
    return 0;
  }
  if (first.starts_with('-'))
    throw UsageError(str("expected a command, found the option ", quote(first)), str(kProgram, " --help"));
  const auto& command = find_command(first);
  const auto arguments = parse_arguments(command, words.subspan(1));
  if (arguments.has("help")) {
    write_out(command_help(command));
    return 0;
  }
  set_up_log(arguments);
  return command.run(arguments);
}

int fail(int code, std::string_view text, std::string_view hint = {}) {
  try {
    flush_out();  // what was done so far comes first
  } catch (...) {
  }
  write_error(str("error: ", printable_line(trim(text)), "\n"));
  if (!hint.empty()) write_error(str("hint: ", printable_line(hint), "\n"));
  return code;
}

int guarded(std::span<const std::string> words) {
  try {
    const int code = run(words);
    flush_out();
    return code;
  } catch (const BrokenPipe&) {
    return 0;
  } catch (const Interrupted& end) {
    return end.exit_code;
  } catch (const UsageError& error) {
    return fail(2, error.what(), error.hint);
  } catch (const std::bad_alloc&) {
    return fail(1, "not enough memory");
  } catch (const std::filesystem::filesystem_error& error) {  // its text speaks of functions
    return fail(1, str(error.path1(), ": ", error.code().message()));
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}

}  // namespace

}  // namespace transformers::cli

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed stdout is seen where it is written to
  const std::vector<std::string> arguments(words + (count > 0 ? 1 : 0), words + count);
  return transformers::cli::guarded(arguments);
}
