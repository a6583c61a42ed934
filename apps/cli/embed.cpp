#include "apps/cli/module.h"
#include "apps/cli/options.h"

namespace transformers::cli {

namespace {

std::vector<OptionGroup> options() {
  return {{.title = "Embeddings",
           .options =
               {{"format", ValueKind::Choice, "", "default json, or npy when --output ends in .npy", {"json", "npy"}},
                {"output", ValueKind::Text, "FILE", "instead of stdout"},
                {"batch-size", ValueKind::Integer, "N", "sentences at a time (default 32)", {}, 1, 65536}}},
          loading_options(),
          hub_options(),
          general_options(true)};
}

}  // namespace

extern const Command embed_command;
constinit const Command embed_command{
    .name = "embed",
    .summary = "one sentence embedding for each line of stdin",
    .usage = "MODEL [--output FILE.npy] < TEXT",
    .details =
        "Prints a JSON list of numbers for each line, or writes one .npy array (lines, size) of float32. Pooling is "
        "read from the model's sentence-transformers files; without them it is the mean over the tokens.",
    .least_positional = 1,
    .most_positional = 1,
    .options = options,
    .run = [](const Arguments& arguments) { return run_in_module("embed", arguments); },
};

}  // namespace transformers::cli
