#include "apps/cli/module.h"
#include "apps/cli/options.h"
#include "transformers/base/strings.h"

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
        "Without MODEL it takes models/smollm2, which script/demo leaves there. Lines that begin with /help /reset "
        "/system TEXT /save FILE /quit are commands, Ctrl-C stops a reply. From a pipe each other line is a turn; the "
        "replies go to stdout. A reply has at most 512 tokens unless --max-new-tokens says otherwise.",
    .least_positional = 0,
    .most_positional = 1,
    .options = options,
    .run =
        [](const Arguments& arguments) {
          if (const auto replies = arguments.text("num-return-sequences", "1"); replies != "1")
            throw UsageError(str("--num-return-sequences is ", replies, ", and a turn has one reply; leave it out"));
          return run_in_module("chat", arguments);
        },
};

}  // namespace transformers::cli
