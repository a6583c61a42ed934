#include "transformers/pretrained/device_map.h"

#include "apps/cli/terminal.h"
#include "apps/cli/torch/loading.h"
#include "apps/cli/torch/registry_torch.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

Json json_of(const Device& device) {
  if (const auto* number = std::get_if<int64_t>(&device)) return *number;
  return to_string(device);
}

}  // namespace

int run_device_map(const Arguments& given) {
  auto arguments = given;
  if (!arguments.has("device-map")) arguments.set("device-map", "auto");
  auto options = loading_arguments(arguments);
  const auto config = read_config(arguments, options);
  const auto model =
      build_pretrained_on_meta(arguments.positional.front(), class_called(*config, arguments.text("class")), options);
  const auto map = resolve_device_map(*model, *options.device_map, {.max_memory = options.max_memory});
  const auto totals = bytes_per_device(measure(*model), map);
  if (arguments.has("json")) {
    Json modules = Json::object(), bytes = Json::object();
    for (const auto& [name, device] : map) modules[name] = json_of(device);
    for (const auto& [device, total] : totals) bytes[to_string(device)] = total;
    write_out(Json(Json::Object{{"device_map", std::move(modules)}, {"bytes", std::move(bytes)}}).dump() + "\n");
    return 0;
  }
  for (const auto& [name, device] : map)
    write_out(str(name.empty() ? "(the whole model)" : name, "  ", to_string(device), "\n"));
  for (const auto& [device, total] : totals) write_out(str(to_string(device), "  ", human_bytes(total), "\n"));
  return 0;
}

}  // namespace transformers::cli
