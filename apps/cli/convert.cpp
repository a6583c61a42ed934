#include "apps/cli/conversion.h"
#include "apps/cli/terminal.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

std::vector<std::string> names_of(std::span<const std::string_view> names) { return {names.begin(), names.end()}; }

int run(const Arguments& arguments) {
  const auto to = arguments.find("to");
  if (!to)
    throw UsageError(str("--to is missing, expected one of ", join(convert_targets(), ", ")),
                     "transformers-cpp convert --help");
  if (arguments.has("tf-format") && *to != "tf") throw UsageError("--tf-format belongs to --to tf");
  const auto report = run_conversion(arguments, {.to = *to,
                                                 .tf_format = arguments.text("tf-format", "h5"),
                                                 .dtype = arguments.find("dtype"),
                                                 .quantize = arguments.find("quantize")});
  if (arguments.has("json"))
    write_out(Json(json_of(arguments, report)).dump() + "\n");
  else
    print_files(arguments, report);
  return 0;
}

std::vector<OptionGroup> options() {
  std::vector<std::string> types = names_of(gguf_quantize_types());
  types.emplace_back("int8");
  return {{.title = "What is written",
           .options = {{"to", ValueKind::Choice, "", "the format", names_of(convert_targets())},
                       {"dtype",
                        ValueKind::Choice,
                        "",
                        "of floating tensors; default: as they are, GGUF's blocks as float32",
                        {"float32", "float16", "bfloat16"}},
                       {"tf-format",
                        ValueKind::Choice,
                        "",
                        "of --to tf: tf_model.h5 (the default), or model.ckpt with the names of TF 1",
                        {"h5", "bundle"}},
                       {"max-shard-size", ValueKind::Text, "SIZE", "as 5GB or 500MiB; default 50GB, tf and flax 10GB"},
                       {"variant", ValueKind::Name, "NAME", "write weights called model.NAME.safetensors"},
                       {"quantize", ValueKind::Choice, "",
                        "matrices in this type: int8 for safetensors, others for gguf", types}}},
          source_options(),
          general_options(true)};
}

}  // namespace

extern const Command convert_command;
constinit const Command convert_command{
    .name = "convert",
    .summary = "a checkpoint in another format",
    .usage = "SRC DST --to safetensors|pt|tf|flax|gguf",
    .details =
        "SRC is a folder, one file of weights in any format, an index of shards, or a Hub id. DST becomes a folder "
        "with the weights, config.json and the tokenizer's files, or one file of weights when it ends with "
        ".safetensors, .bin, .h5, .index, .msgpack or .gguf as --to says. DST is whole or as it was; one tensor is in "
        "memory at a time. --json prints {\"files\", \"left_out\", \"num_tensors\", \"source_size\", "
        "\"total_size\"}; sizes are in bytes.",
    .least_positional = 2,
    .most_positional = 2,
    .options = options,
    .run = run,
};

}  // namespace transformers::cli
