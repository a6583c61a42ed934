#include "apps/cli/module.h"
#include "apps/cli/options.h"

namespace transformers::cli {

namespace {

std::vector<OptionGroup> options() {
  return {{.title = "Prompt (one of them)",
           .options = {{"prompt", ValueKind::FreeText, "TEXT", "a text"},
                       {"input-ids", ValueKind::Text, "1,2,3", "token ids"},
                       {"inputs", ValueKind::Text, "FILE", "safetensors: input_ids, attention_mask … of a batch"},
                       {"assistant-model", ValueKind::Text, "DIR", "not part of this version"}}},
          generation_options(),
          loading_options(),
          hub_options(),
          general_options(true)};
}

}  // namespace

extern const Command generate_command;
constinit const Command generate_command{
    .name = "generate",
    .summary = "continues a text, by greedy search or sampling",
    .usage = "MODEL --prompt TEXT | --input-ids 1,2,3 | --inputs IN.safetensors",
    .details =
        "Prints the prompt and its continuation, in a terminal as it is made; --json prints {\"sequences\", "
        "\"text\"}. Without a length option, and without one in the model's generation_config.json, 20 tokens are "
        "added, as the reference does.",
    .least_positional = 1,
    .most_positional = 1,
    .options = options,
    .run = [](const Arguments& arguments) { return run_in_module("generate", arguments); },
};

}  // namespace transformers::cli
