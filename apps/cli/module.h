#pragma once

#include "apps/cli/command.h"

namespace transformers::cli {

/// Runs the command called `name` of the module that holds what needs libtorch: it is opened here, not at the program's
/// start, so that the other commands answer at once. Throws OSError naming the module when it cannot be opened.
[[nodiscard]] int run_in_module(std::string_view name, const Arguments& arguments);

/// The module's one entry: transformers_run_command.
using ModuleEntry = int(std::string_view name, const Arguments& arguments);
inline constexpr const char* kModuleEntry = "transformers_run_command";

}  // namespace transformers::cli
