#pragma once

#include <filesystem>

#include "apps/cli/options.h"
#include "transformers/mapping/convert.h"

namespace transformers::cli {

/// The hub options of a command that writes weights too: --variant names those, --source-variant what is read.
[[nodiscard]] OptionGroup source_options();

/// The folder that `name` is, or that the file of that name lies in.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& name);

/// Converts the first positional argument to the second with what the command line says of source, variant and
/// shards, showing a bar; fills in the tokenizer of a GGUF file.
[[nodiscard]] ConvertReport run_conversion(const Arguments& arguments, ConvertOptions options);

/// The members that `convert --json` and `quantize --json` share.
[[nodiscard]] Json::Object json_of(const Arguments& arguments, const ConvertReport& report);
/// The files that were written, and what was left out, for people.
void print_files(const Arguments& arguments, const ConvertReport& report);

}  // namespace transformers::cli
