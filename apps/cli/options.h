#pragma once

#include "apps/cli/command.h"
#include "transformers/base/json.h"
#include "transformers/hub/snapshot.h"

// Groups of options that several commands share, and what is read from them.
namespace transformers::cli {

/// --help, --quiet; with --json where the command has it.
[[nodiscard]] OptionGroup general_options(bool with_json);
/// Where a model's name is looked up.
[[nodiscard]] OptionGroup hub_options();
/// How a model is loaded.
[[nodiscard]] OptionGroup loading_options();
/// `group` but for the options of these names: those that a command has no use for.
[[nodiscard]] OptionGroup without(OptionGroup group, std::initializer_list<std::string_view> names);
/// Whether a field of GenerationConfig asks for tensors beside the ids: the commands print ids and texts.
[[nodiscard]] bool is_output_field(std::string_view name);
/// Every field of GenerationConfig, and --seed.
[[nodiscard]] OptionGroup generation_options();

/// What hub_options say of a download.
[[nodiscard]] DownloadOptions download_options(const Arguments& arguments);
/// The files of the command's MODEL.
[[nodiscard]] Snapshot snapshot_of(const Arguments& arguments);
/// The weights among its files that loading would take, fetched if need be; absent when they have none of the usual
/// names.
[[nodiscard]] std::optional<std::filesystem::path> usual_weights(const Snapshot& snapshot,
                                                                 const std::optional<std::string>& variant);
/// What AutoTokenizer is given for the command's MODEL: its folder, or the GGUF file named.
[[nodiscard]] std::filesystem::path tokenizer_path(const Arguments& arguments);
/// The generation fields among the options, under their names in GenerationConfig. UsageError for a value that is no
/// JSON where the field needs it.
[[nodiscard]] Json generation_fields(const Arguments& arguments);
/// "1,2,3" as integers; UsageError naming the option.
[[nodiscard]] std::vector<int64_t> parse_ids(const std::string& option, const std::string& text);

}  // namespace transformers::cli
