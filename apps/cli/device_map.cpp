#include "apps/cli/module.h"
#include "apps/cli/options.h"

namespace transformers::cli {

namespace {

std::vector<OptionGroup> options() {
  return {without(loading_options(), {"threads", "offload-folder", "ignore-unmatched-keys"}), hub_options(),
          general_options(true)};
}

}  // namespace

extern const Command device_map_command;
constinit const Command device_map_command{
    .name = "device-map",
    .summary = "prints where the modules of a model would be placed, loading nothing",
    .usage = "MODEL [--device-map auto] [--max-memory 0=1GiB,cpu=8GiB]",
    .details =
        "Prints each module with its device, and the bytes on each device. --json prints one document: "
        "{\"device_map\", \"bytes\"}; a file of it is what --device-map of the other commands takes.",
    .least_positional = 1,
    .most_positional = 1,
    .options = options,
    .run = [](const Arguments& arguments) { return run_in_module("device-map", arguments); },
};

}  // namespace transformers::cli
