#include "apps/cli/torch/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>

#include "apps/cli/torch/interrupt.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace fs = std::filesystem;

namespace {

void note_resize(int) {}  // only so that `read` returns

void handle(int signal_number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;  // without SA_RESTART: `read` must return
  sigaction(signal_number, &action, nullptr);
}

// One byte; 0 at the end of input, -1 after Ctrl-C.
int read_byte(EditLine* editor, unsigned char& byte) {
  while (true) {
    const auto count = ::read(STDIN_FILENO, &byte, 1);
    if (count >= 0) return static_cast<int>(count);
    if (errno != EINTR || is_interrupted()) return -1;
    el_resize(editor);
  }
}

// libedit's own reader swallows the first signal. A wide character is put together from UTF-8 here.
int read_character(EditLine* editor, wchar_t* character) {
  unsigned char byte = 0;
  if (const int got = read_byte(editor, byte); got != 1) return got;
  const int more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
  auto code = static_cast<uint32_t>(more == 0 ? byte : byte & (0x3f >> more));
  for (int i = 0; i < more; ++i) {
    if (const int got = read_byte(editor, byte); got != 1) return got;
    code = (code << 6) | (byte & 0x3fu);
  }
  *character = static_cast<wchar_t>(code);
  return 1;
}

}  // namespace

struct LineEditor::Impl {
  fs::path history_file = {};
  EditLine* editor = nullptr;
  History* history_list = nullptr;
  HistEvent event = {};
  bool continues = false;

  static char* prompt(EditLine* editor) {
    static char first[] = "> ", next[] = ". ";
    Impl* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return self && self->continues ? next : first;
  }
};

LineEditor::LineEditor(fs::path history_file) : impl_(std::make_unique<Impl>()) {
  // The editor counts columns by the locale; a bare "C" would show every other letter as bytes.
  if (const char* locale = std::setlocale(LC_CTYPE, ""); !locale || !std::string_view(locale).ends_with("8"))
    std::setlocale(LC_CTYPE, "C.UTF-8");
  impl_->history_file = std::move(history_file);
  handle(SIGWINCH, note_resize);
  impl_->history_list = history_init();
  history(impl_->history_list, &impl_->event, H_SETSIZE, 1000);
  history(impl_->history_list, &impl_->event, H_SETUNIQUE, 1);
  history(impl_->history_list, &impl_->event, H_LOAD, impl_->history_file.c_str());
  impl_->editor = el_init("transformers-cpp", stdin, stdout, stderr);
  el_set(impl_->editor, EL_CLIENTDATA, impl_.get());
  el_set(impl_->editor, EL_PROMPT, Impl::prompt);
  el_set(impl_->editor, EL_EDITOR, "emacs");
  el_set(impl_->editor, EL_SIGNAL, 0);
  el_set(impl_->editor, EL_HIST, history, impl_->history_list);
  el_set(impl_->editor, EL_GETCFN, read_character);
  el_set(impl_->editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_set(impl_->editor, EL_BIND, "\\e[1;5C", "em-next-word", nullptr);
  el_set(impl_->editor, EL_BIND, "\\e[1;5D", "ed-prev-word", nullptr);
  el_set(impl_->editor, EL_BIND, "\\e[3~", "ed-delete-next-char", nullptr);
  el_source(impl_->editor, nullptr);  // the user's ~/.editrc
}

LineEditor::~LineEditor() {
  std::error_code ignored;
  fs::create_directories(impl_->history_file.parent_path(), ignored);
  history(impl_->history_list, &impl_->event, H_SAVE, impl_->history_file.c_str());
  el_end(impl_->editor);
  history_end(impl_->history_list);
}

LineEditor::Result LineEditor::read_physical_line() {
  int count = 0;
  const char* line = el_gets(impl_->editor, &count);
  if (line && count > 0) {
    std::string text(line, static_cast<size_t>(count));
    if (text.ends_with('\n')) text.pop_back();
    return {.text = std::move(text)};
  }
  if (!take_interrupt()) return {.end = End::EndOfInput};
  const auto* state = el_line(impl_->editor);
  return {.end = End::Interrupt, .was_empty = state->lastchar == state->buffer};
}

LineEditor::Result LineEditor::read() {
  std::string text;
  for (impl_->continues = false;; impl_->continues = true) {
    auto line = read_physical_line();
    if (line.end != End::Line) {
      line.was_empty = line.was_empty && !impl_->continues;
      return line;
    }
    text += line.text;
    if (!text.ends_with('\\')) break;
    text.back() = '\n';
  }
  if (!trim(text).empty()) history(impl_->history_list, &impl_->event, H_ENTER, text.c_str());
  return {.text = std::move(text)};
}

fs::path chat_history_file() {
  const auto state = environment("XDG_STATE_HOME");
  const auto folder = state.empty() ? fs::path(environment("HOME")) / ".local" / "state" : fs::path(state);
  return folder / "transformers-cpp" / "chat_history";
}

}  // namespace transformers::cli
