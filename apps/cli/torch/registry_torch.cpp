#include "apps/cli/torch/registry_torch.h"

#include <c10/util/Exception.h>

#include "apps/cli/module.h"
#include "apps/cli/progress_bar.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

constexpr TorchCommand kTorchCommands[] = {
    {"bench", run_bench}, {"chat", run_chat},       {"device-map", run_device_map},
    {"embed", run_embed}, {"forward", run_forward}, {"generate", run_generate},
};

}  // namespace

extern "C" int transformers_run_command(std::string_view name, const Arguments& arguments) {
  static_assert(std::is_same_v<decltype(transformers_run_command), ModuleEntry>);
  const ProgressBar bar(arguments);
  try {
    for (const auto& command : kTorchCommands)
      if (command.name == name) return command.run(arguments);
  } catch (const c10::Error& error) {
    throw RuntimeError(error.what_without_backtrace());  // the program knows nothing of libtorch
  }
  throw RuntimeError(str("the module has no command ", quote(name), "; it belongs to another version of this program"));
}

}  // namespace transformers::cli
