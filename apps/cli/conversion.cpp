#include "apps/cli/conversion.h"

#include <algorithm>

#include "apps/cli/interrupt.h"
#include "apps/cli/progress_bar.h"
#include "apps/cli/terminal.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers::cli {

namespace fs = std::filesystem;

namespace {

// The tokenizer in a GGUF file as the files that other formats have beside them.
void add_tokenizer(const fs::path& gguf, const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / "tokenizer.json", ignored)) return;
  try {
    AutoTokenizer::from_pretrained(gguf)->save_pretrained(folder);
  } catch (const Error& error) {
    logging::warning(str("no tokenizer is written: ", error.what()));
  }
}

int64_t shard_size(const std::string& text) {
  try {
    return parse_size(text);
  } catch (const ValueError& error) {
    throw UsageError(str("--max-shard-size: ", error.what()));
  }
}

}  // namespace

fs::path folder_of(const fs::path& name) {
  std::error_code ignored;
  return fs::is_directory(name, ignored) ? name : name.parent_path();
}

OptionGroup source_options() {
  auto group = hub_options();
  const auto variant = std::find_if(group.options.begin(), group.options.end(),
                                    [](const Option& option) { return option.name == "variant"; });
  variant->name = "source-variant";
  variant->help = "read the weights called model.NAME.safetensors";
  return group;
}

ConvertReport run_conversion(const Arguments& arguments, ConvertOptions options) {
  if (const auto size = arguments.find("max-shard-size")) options.max_shard_size = shard_size(*size);
  options.variant = arguments.find("variant");
  options.source_variant = arguments.find("source-variant");
  try {
    check_convert_options(arguments.positional[1], options);
  } catch (const ValueError& error) {
    throw UsageError(error.what());
  }
  const auto snapshot = snapshot_of(arguments);
  if (std::error_code ignored; fs::equivalent(arguments.positional[0], arguments.positional[1], ignored) &&
                               fs::is_regular_file(arguments.positional[0], ignored))
    throw UsageError("SRC and DST are the same file; a copy does not replace what it was made from");
  const auto source = snapshot.weights_file.empty() ? snapshot.folder : snapshot.weights_file;
  if (snapshot.remote && snapshot.weights_file.empty()) {
    snapshot.fetch_texts();
    static_cast<void>(usual_weights(snapshot, options.source_variant));
  }
  // A snapshot in the cache is called by its commit; the user's name for it says more.
  const auto given = fs::path(snapshot.source).lexically_normal();
  options.name = snapshot.remote ? given.filename() : given.stem();
  if (fs::is_directory(snapshot.source)) {
    const auto named = fs::absolute(source).lexically_normal();
    options.name = fs::is_directory(source) ? named.filename() : named.stem();
  }
  if (source.extension() == ".gguf" && options.to != "gguf")
    options.add_files = [source](const fs::path& folder) { add_tokenizer(source, folder); };
  // Ctrl-C unwinds, so that no partial folder stays; the second ends at once.
  catch_interrupts(/*ends_at_second=*/true);
  catch_termination(/*ends_at_second=*/true);
  const ProgressBar bar(arguments, throw_if_interrupted);
  return convert_checkpoint(source, arguments.positional[1], options);
}

Json::Object json_of(const Arguments& arguments, const ConvertReport& report) {
  Json files = Json::list(), dropped = Json::list();
  for (const auto& file : report.files) files.push_back((folder_of(arguments.positional[1]) / file).native());
  for (const auto& key : report.dropped) dropped.push_back(key);
  return {{"files", std::move(files)},
          {"left_out", std::move(dropped)},
          {"num_tensors", static_cast<int64_t>(report.tensors.size())},
          {"source_size", report.source_bytes},
          {"total_size", report.bytes}};
}

void print_files(const Arguments& arguments, const ConvertReport& report) {
  for (const auto& file : report.files) write_out(str((folder_of(arguments.positional[1]) / file).native(), "\n"));
  if (!report.dropped.empty())
    write_out(str("left out, as others hold them or nobody needs them: ",
                  printable_line(join(fold_names(report.dropped), ", ")), "\n"));
  write_out(str(report.tensors.size(), " tensors, ", human_bytes(report.source_bytes), " -> ",
                human_bytes(report.bytes), "\n"));
}

}  // namespace transformers::cli
