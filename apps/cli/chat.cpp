#include "apps/cli/module.h"
#include "apps/cli/options.h"

namespace transformers::cli {

namespace {

std::vector<OptionGroup> options() {
  return {{.title = "Conversation", .options = {{"system", ValueKind::FreeText, "TEXT", "the system message"}}},
          generation_options(),
          loading_options(),
          hub_options(),
          general_options(false)};
}

}  // namespace

extern const Command chat_command;
constinit const Command chat_command{
    .name = "chat",
    .summary = "a conversation in the terminal, or one read from a pipe",
    .usage = "[MODEL]",
    .details =
        "Without MODEL it takes models/smollm2, which script/demo leaves there. In the terminal: /help /reset /system "
        "TEXT /save FILE /quit, Ctrl-C stops a reply. From a pipe each line is a turn; the replies go to stdout. "
        "A reply has at most 512 tokens unless --max-new-tokens says otherwise.",
    .least_positional = 0,
    .most_positional = 1,
    .options = options,
    .run = [](const Arguments& arguments) { return run_in_module("chat", arguments); },
};

}  // namespace transformers::cli
