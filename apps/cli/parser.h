#pragma once

#include <span>
#include <string>

#include "apps/cli/command.h"

namespace transformers::cli {

inline constexpr std::string_view kProgram = "transformers-cpp";

/// The command called `name`; UsageError with the nearest names, or that it is not part of this version.
[[nodiscard]] const Command& find_command(const std::string& name);

/// Checks `words` (without the command's name) against the command's options. UsageError names the word that is wrong
/// and the nearest options. With --help among them only that is sure to be set.
[[nodiscard]] Arguments parse_arguments(const Command& command, std::span<const std::string> words);

[[nodiscard]] std::string program_help();
[[nodiscard]] std::string command_help(const Command& command);

}  // namespace transformers::cli
