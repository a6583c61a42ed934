#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <cstdio>

#include "apps/cli/options.h"
#include "apps/cli/terminal.h"
#include "apps/cli/torch/chat_session.h"
#include "apps/cli/torch/generation_flags.h"
#include "apps/cli/torch/interrupt.h"
#include "apps/cli/torch/line_editor.h"
#include "apps/cli/torch/loading.h"
#include "apps/cli/torch/registry_torch.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"

namespace transformers::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kDefaultModel = "models/smollm2";

constexpr std::string_view kHelp =
    "/help          this text\n"
    "/reset         a new conversation\n"
    "/system TEXT   the system message, from the next turn on; alone it shows the one in force\n"
    "/save FILE     the conversation as JSON\n"
    "/quit          leaves, as Ctrl-D does\n"
    "Ctrl-C stops a reply. A \\ at the end of a line continues it on the next.\n";

// The model that script/demo fetches: from the working directory, or from the tree that this program was built in.
std::string default_model() {
  std::error_code ignored;
  const auto program = fs::read_symlink("/proc/self/exe", ignored);
  const auto in_tree = program.parent_path() / ".." / ".." / ".." / kDefaultModel;
  for (const fs::path& folder : {fs::path(kDefaultModel), in_tree})
    if (fs::is_directory(folder, ignored)) return folder.lexically_normal().native();
  throw FileNotFoundError(str("no MODEL is named and ", kDefaultModel,
                              " is not there; script/demo fetches it, or name a model's folder, a .gguf ",
                              "file or a Hub id: transformers-cpp chat MODEL"));
}

class Chat {
 public:
  Chat(ChatSession& session, bool is_interactive, bool is_quiet)
      : session_(session), is_interactive_(is_interactive), is_quiet_(is_quiet) {}

  /// One line of input; false when the user leaves.
  bool take(const std::string& line) {
    const auto text = trim(line);
    if (text.empty()) return true;
    if (text == "/quit" || text == "/exit") return false;
    if (text.front() == '/' && take_command(text)) return true;
    reply_to(std::string(text));
    return true;
  }

 private:
  // False when it is no command but a text that begins with a slash.
  bool take_command(std::string_view text) {
    const auto name = text.substr(0, text.find(' '));
    const auto rest = std::string(trim(text.substr(name.size())));
    if (name == "/help") {
      write_error(kHelp);
    } else if (name == "/reset") {
      session_.reset();
      note("a new conversation");
    } else if (name == "/system") {
      if (!rest.empty()) session_.set_system(rest);
      note(session_.system().empty() ? "no system message" : str("system message: ", session_.system()));
    } else if (name == "/save") {
      save(rest);
    } else if (is_interactive_) {
      write_error(str("unknown command ", quote(name), "; /help lists them\n"));
    } else {
      return false;
    }
    return true;
  }

  void save(const std::string& file) {
    if (file.empty()) return complain(ValueError("/save needs a file: /save FILE"));
    try {
      write_text_atomic(file, session_.messages().dump({.indent = 2}) + "\n");
      note(str("saved to ", file));
    } catch (const Error& error) {
      complain(error);
    }
  }

  void reply_to(const std::string& text) {
    const auto sink = [](std::string_view piece) {
      write_out(piece);
      flush_out();
    };
    try {
      if (is_interactive_) static_cast<void>(take_interrupt());
      const auto reply = session_.answer(text, sink);
      write_out("\n");
      flush_out();
      tell_end(reply);
    } catch (const Error& error) {
      complain(error);
    } catch (const c10::Error& error) {
      complain(RuntimeError(error.what_without_backtrace()));
    }
    if (is_interactive_) static_cast<void>(take_interrupt());
  }

  void tell_end(const Reply& reply) const {
    if (reply.end == Reply::End::Interrupted) note("stopped");
    if (reply.end == Reply::End::TokenLimit) note("cut at the limit of new tokens; --max-new-tokens raises it");
    if (reply.end == Reply::End::ContextFull) note("the model's context is full; /reset begins a new conversation");
    char figures[96];
    std::snprintf(figures, sizeof figures, "%lld tokens, first after %.2f s, then %.1f tokens/s",
                  static_cast<long long>(reply.tokens), reply.first_token_s, reply.tokens_per_s);
    note(figures);
  }

  // In a terminal a mistake is told and the talk goes on; a script must see it fail.
  void complain(const Error& error) const {
    if (!is_interactive_) throw error;
    write_error(str("error: ", printable_line(error.what()), "\n"));
  }

  void note(std::string_view text) const {
    if (is_quiet_) return;
    write_error(stderr_is_terminal() ? str("\033[2m[", text, "]\033[0m\n") : str("[", text, "]\n"));
  }

  ChatSession& session_;
  bool is_interactive_, is_quiet_;
};

void greet(const PreTrainedModel& model) {
  char size[32];
  std::snprintf(size, sizeof size, "%.0fM", static_cast<double>(model.num_parameters()) * 1e-6);
  write_error(str(model.name_or_path, ": ", model.model_class().name, ", ", size, " parameters, ",
                  info(to_data_type(model.dtype())).name, ", ", at::get_num_threads(),
                  " threads. /help lists the commands.\n"));
}

void talk_in_terminal(Chat& chat) {
  LineEditor editor(chat_history_file());
  bool may_leave = false;  // after a Ctrl-C at an empty prompt
  while (true) {
    const auto line = editor.read();
    if (line.end == LineEditor::End::EndOfInput) break;
    if (line.end == LineEditor::End::Interrupt) {
      write_error("\n");
      if (may_leave && line.was_empty) return;
      may_leave = line.was_empty;
      if (may_leave) write_error("Ctrl-C once more, Ctrl-D or /quit leaves\n");
      continue;
    }
    may_leave = false;
    if (!chat.take(line.text)) return;
  }
  write_error("\n");
}

// Gives the exit code.
int talk_in_pipe(Chat& chat) {
  std::string line;
  for (int64_t number = 1; !is_interrupted() && read_line(line); ++number) {
    if (!is_utf8(line)) throw ValueError(str("stdin: line ", number, " is not UTF-8"));
    if (!chat.take(line)) break;
  }
  return is_interrupted() ? kInterrupted : 0;
}

}  // namespace

int run_chat(const Arguments& given) {
  auto arguments = given;
  ChatSession::Options options{.generation = checked_generation_fields(arguments, "chat")};
  if (arguments.has("seed")) options.seed = static_cast<uint64_t>(arguments.integer("seed", 0));
  if (arguments.positional.empty()) arguments.positional.push_back(default_model());
  const auto tokenizer = load_tokenizer(arguments);
  const auto model = load_generator(arguments);
  ChatSession session(model, tokenizer, std::move(options));
  session.set_system(arguments.text("system"));

  const bool is_interactive = stdin_is_terminal() && stdout_is_terminal();
  Chat chat(session, is_interactive, arguments.has("quiet"));
  catch_interrupts(/*ends_at_second=*/!is_interactive);
  if (!is_interactive) return talk_in_pipe(chat);
  greet(*model);
  talk_in_terminal(chat);
  return 0;
}

}  // namespace transformers::cli
