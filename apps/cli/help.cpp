#include <algorithm>

#include "apps/cli/parser.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

constexpr size_t kWidth = 100, kColumn = 34;

// `text` in lines of at most kWidth, each indented; the first continues at the indent.
std::string wrapped(std::string_view text, size_t indent) {
  std::string out;
  size_t used = indent;
  for (const auto& word : split(text, ' ')) {
    if (used > indent && used + 1 + word.size() > kWidth) {
      out += str("\n", std::string(indent, ' '));
      used = indent;
    }
    if (used > indent) out += ' ';
    out += word;
    used += word.size() + 1;
  }
  return out;
}

std::string paragraphs(std::string_view text, size_t indent) {
  std::string out;
  for (const auto& line : split(text, '\n')) out += str(std::string(indent, ' '), wrapped(line, indent), "\n");
  return out;
}

std::string row(std::string head, const std::string& text, size_t column) {
  if (text.empty()) return str(head, "\n");
  if (head.size() + 2 > column)
    head += str("\n", std::string(column, ' '));
  else
    head.resize(column, ' ');
  return str(head, wrapped(text, column), "\n");
}

std::string option_row(const Option& option) {
  auto head = str("  --", option.name);
  if (option.kind != ValueKind::None)
    head += str(" ", option.choices.empty() ? option.placeholder : join(option.choices, "|"));
  return row(head, option.help, kColumn);
}

}  // namespace

std::string program_help() {
  auto out = str("Runs models of the Hugging Face ecosystem, from folders and GGUF files.\n\nUsage: ", kProgram,
                 " COMMAND [ARGUMENT …] [--OPTION …]\n\nCommands:\n");
  for (const auto* command : commands()) out += row(str("  ", command->name), std::string(command->summary), 12);
  out += str("\n", kProgram, " COMMAND --help tells a command's options; ", kProgram, " --version the version.\n",
             "MODEL is a folder, a .gguf file, a .safetensors file beside its config.json, or the id org/name of a\n",
             "repository of the Hub. Exit code 1: the work failed; 2: the command line was wrong.\n");
  return out;
}

std::string command_help(const Command& command) {
  auto out = str(command.summary, "\n\nUsage: ", kProgram, " ", command.name, " ", command.usage, "\n");
  if (!command.details.empty()) out += str("\n", paragraphs(command.details, 0));
  for (const auto& group : command.options()) {
    out += str("\n", group.title, ":\n");
    for (const auto& option : group.options) out += option_row(option);
  }
  return out;
}

}  // namespace transformers::cli
