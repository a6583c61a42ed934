#include "transformers/pretrained/device_map.h"

#include <algorithm>

namespace transformers {

namespace {

// Each source with its targets, sorted: when not all of them fit, the first is divided first.
std::vector<std::vector<std::string>> tied_groups(const PreTrainedModel& model) {
  OrderedMap<std::string, std::vector<std::string>> groups;
  for (const auto& [target, source] : model.all_tied_weights_keys()) {
    if (!groups.contains(source)) groups.set(source, {source});
    groups.find(source)->push_back(target);
  }
  std::vector<std::vector<std::string>> out;
  for (const auto& [source, names] : groups) {
    out.push_back(names);
    std::sort(out.back().begin(), out.back().end());
  }
  return out;
}

PlacementLimits limits_of(const PreTrainedModel& model, const InferDeviceMapOptions& options) {
  PlacementLimits limits{
      .tied = tied_groups(model), .offload_buffers = options.offload_buffers, .clean_result = options.clean_result};
  limits.no_split = options.no_split_module_classes.value_or(no_split_classes(model));
  return limits;
}

void check(const PreTrainedModel& model, const DeviceMap& map) {
  std::vector<std::string> tensors, modules;
  for (const auto& [name, tensor] : model.state_dict()) tensors.push_back(name);
  for (const auto& item : model.named_modules("", false)) modules.push_back(item.key());
  check_device_map(map, tensors, modules, tied_groups(model));
}

}  // namespace

std::vector<std::string> no_split_classes(const PreTrainedModel& model) {
  const auto& declared = model.architecture().no_split;
  return {declared.begin(), declared.end()};
}

SizedModule measure(const PreTrainedModel& model) {
  std::vector<std::string> targets;
  for (const auto& [target, source] : model.all_tied_weights_keys()) targets.push_back(target);
  return measure(static_cast<const torch::nn::Module&>(model), targets);
}

DeviceMap infer_auto_device_map(const PreTrainedModel& model, const InferDeviceMapOptions& options) {
  return infer_device_map(measure(model), device_budget(options.max_memory), limits_of(model, options));
}

DeviceMap resolve_device_map(const PreTrainedModel& model, const DeviceMapArg& arg,
                             const InferDeviceMapOptions& options) {
  if (!is_automatic(arg)) {
    auto map = explicit_device_map(arg);
    check(model, map);
    return map;
  }
  const auto sizes = measure(model);
  const auto limits = limits_of(model, options);
  const auto budget = balance(sizes, device_budget(options.max_memory), std::get<std::string>(arg),
                              !options.max_memory.has_value(), limits.no_split);
  return infer_device_map(sizes, budget, limits);
}

}  // namespace transformers
