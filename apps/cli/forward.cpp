#include "apps/cli/module.h"
#include "apps/cli/options.h"

namespace transformers::cli {

namespace {

std::vector<OptionGroup> options() {
  return {
      {.title = "Tensors",
       .options = {{"inputs", ValueKind::Text, "FILE",
                    "safetensors: input_ids, attention_mask, labels, pixel_values …"},
                   {"outputs", ValueKind::Text, "FILE", "safetensors: logits, loss, hidden_states.0, attentions.0 …"},
                   {"output-hidden-states", ValueKind::None, "", "with the hidden states of every layer"},
                   {"output-attentions", ValueKind::None, "",
                    "with every layer's attention; needs eager, which is then the default"},
                   {"loading-info", ValueKind::Text, "FILE",
                    "writes the keys that were missing, unexpected or mismatched, as JSON"}}},
      loading_options(),
      hub_options(),
      general_options(true)};
}

}  // namespace

extern const Command forward_command;
constinit const Command forward_command{
    .name = "forward",
    .summary = "feeds the tensors of a file to a model and writes its outputs",
    .usage = "MODEL --inputs IN.safetensors --outputs OUT.safetensors",
    .details = "Tensors are fed by their names. Floating inputs are cast to the model's dtype.",
    .least_positional = 1,
    .most_positional = 1,
    .options = options,
    .run = [](const Arguments& arguments) { return run_in_module("forward", arguments); },
};

}  // namespace transformers::cli
