#pragma once

#include "apps/cli/command.h"

namespace transformers::cli {

/// The work of a command that needs libtorch; its options stand in the Command of the same name.
struct TorchCommand {
  std::string_view name = {};
  int (*run)(const Arguments&) = nullptr;
};

[[nodiscard]] int run_bench(const Arguments& arguments);
[[nodiscard]] int run_chat(const Arguments& arguments);
[[nodiscard]] int run_device_map(const Arguments& arguments);
[[nodiscard]] int run_embed(const Arguments& arguments);
[[nodiscard]] int run_forward(const Arguments& arguments);
[[nodiscard]] int run_generate(const Arguments& arguments);

}  // namespace transformers::cli
