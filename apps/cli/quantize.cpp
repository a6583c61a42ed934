#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "apps/cli/conversion.h"
#include "apps/cli/terminal.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

// JSON has no infinity.
Json number_of(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f %%", 100 * share);
  return text;
}

void print_table(const ConvertReport& report) {
  size_t width = 0;
  for (const auto& tensor : report.tensors) width = std::max(width, std::min(tensor.name.size(), size_t{72}));
  for (const auto& tensor : report.tensors)
    write_out(
        str(padded(printable_line(tensor.name), width),
            padded(str(info(tensor.from).name, " -> ", info(tensor.to).name), 20),
            padded(str(human_bytes(tensor.source_bytes), " -> ", human_bytes(tensor.bytes)), 24),
            tensor.power > 0 || std::isnan(tensor.power) ? str("error ", percent(tensor.error)) : std::string("kept"),
            "\n"));
  write_out(str("\nerror over all quantised tensors, root mean square relative to the values: ", percent(report.error),
                "\n"));
}

Json tensors_of(const ConvertReport& report) {
  Json::Object tensors;
  for (const auto& tensor : report.tensors)
    tensors.emplace_back(tensor.name, Json::Object{{"source_dtype", info(tensor.from).name},
                                                   {"dtype", info(tensor.to).name},
                                                   {"source_size", tensor.source_bytes},
                                                   {"size", tensor.bytes},
                                                   {"error", number_of(tensor.error)}});
  return tensors;
}

// A folder that is not there yet holds nothing that could be replaced; int8 beside the weights would be taken for them.
bool replaces_model(const std::filesystem::path& model, const std::filesystem::path& destination, bool is_int8) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const bool is_folder = fs::is_directory(destination, ignored);
  if (!is_folder && (!is_int8 || destination.extension() != ".safetensors")) return false;
  return folder_of(fs::weakly_canonical(model, ignored)) == folder_of(fs::weakly_canonical(destination, ignored));
}

int run(const Arguments& arguments) {
  const auto type = arguments.find("type");
  if (!type) throw UsageError("--type is missing", "transformers-cpp quantize --help");
  const bool is_int8 = *type == "int8";
  if (replaces_model(arguments.positional[0], arguments.positional[1], is_int8))
    throw UsageError("MODEL and DST are in one folder; a quantised copy does not replace what it was made from");
  const auto report =
      run_conversion(arguments, {.to = is_int8 ? "safetensors" : "gguf", .quantize = *type, .measure_error = true});
  if (arguments.has("json")) {
    auto json = json_of(arguments, report);
    json.emplace_back("error", number_of(report.error));
    json.emplace_back("tensors", tensors_of(report));
    write_out(Json(std::move(json)).dump() + "\n");
    return 0;
  }
  print_table(report);
  print_files(arguments, report);
  return 0;
}

std::vector<OptionGroup> options() {
  const auto blocks = gguf_quantize_types();
  std::vector<std::string> types(blocks.begin(), blocks.end());
  types.emplace_back("int8");
  return {
      {.title = "What is written",
       .options = {{"type", ValueKind::Choice, "", "of the matrices; int8 gives safetensors, the others GGUF", types},
                   {"max-shard-size", ValueKind::Text, "SIZE", "of int8 safetensors; default 50GB"},
                   {"variant", ValueKind::Name, "NAME", "write weights called model.NAME.safetensors"}}},
      source_options(),
      general_options(true)};
}

}  // namespace

extern const Command quantize_command;
constinit const Command quantize_command{
    .name = "quantize",
    .summary = "a quantised copy, with its size and error",
    .usage = "MODEL DST --type TYPE",
    .details =
        "Writes a GGUF file for llama.cpp, or safetensors with int8 matrices and a scale for each row, into the folder "
        "DST, or as the file DST when it ends with .gguf or .safetensors. Prints size and error of each tensor: the "
        "root mean square of the difference, relative to that of the values. --json prints what `convert` prints, and "
        "\"error\" and \"tensors\": {name: {\"source_dtype\", \"dtype\", \"source_size\", \"size\", \"error\"}}.",
    .least_positional = 2,
    .most_positional = 2,
    .options = options,
    .run = run,
};

}  // namespace transformers::cli
