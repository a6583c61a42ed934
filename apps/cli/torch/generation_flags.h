#pragma once

#include "apps/cli/command.h"
#include "transformers/base/json.h"

namespace transformers::cli {

/// The generation fields among the options; a value that no generation takes is a UsageError, before anything is
/// loaded; it points to the help of `command`.
[[nodiscard]] Json checked_generation_fields(const Arguments& arguments, std::string_view command);

}  // namespace transformers::cli
