#include "transformers/placement/device_map.h"

#include <algorithm>
#include <set>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/placement/accelerators.h"

namespace transformers {

namespace {

constexpr std::string_view kAutomatic[] = {"auto", "balanced", "balanced_low_0", "sequential"};

Device canonical_torch(const at::Device& device) {
  if (device.is_cpu()) return "cpu";
  if (device.type() == at::kMPS) return "mps";
  if (accelerator_type() == device.type())
    return static_cast<int64_t>(device.has_index() ? device.index() : local_rank());
  return device;
}

std::optional<at::Device> parse_torch_device(const std::string& name) {
  // Names of the past: libtorch prints a warning of its own for them, and nothing can be placed there.
  for (const auto* old : {"mkldnn", "opengl", "opencl", "ideep"})
    if (name.starts_with(old)) return std::nullopt;
  try {
    return at::Device(name);
  } catch (const c10::Error&) {
    return std::nullopt;
  }
}

}  // namespace

Device canonical_device(const Device& device) {
  if (const auto* number = std::get_if<int64_t>(&device)) {
    if (*number < 0)
      throw ValueError(str("the device number ", *number, " is negative; for the processor, say \"cpu\""));
    return device;
  }
  if (const auto* torch = std::get_if<at::Device>(&device)) return canonical_torch(*torch);
  const auto& name = std::get<std::string>(device);
  if (name == "cpu" || name == "disk" || name == "mps") return device;
  const auto parsed = parse_torch_device(name);
  if (!parsed)
    throw ValueError(str("the device ", quote(name),
                         " is not known; expected a number, cpu, disk, mps or a torch "
                         "device such as cuda:0"));
  if (parsed->type() == at::kCUDA && !parsed->has_index()) return canonical_torch(at::Device(at::kCUDA, local_rank()));
  return canonical_torch(*parsed);
}

std::string to_string(const Device& device) {
  if (const auto* number = std::get_if<int64_t>(&device)) return str(*number);
  if (const auto* torch = std::get_if<at::Device>(&device)) return torch->str();
  return std::get<std::string>(device);
}

at::Device torch_device(const Device& device) {
  const auto named = canonical_device(device);
  if (named == Device("cpu") || named == Device("disk")) return at::kCPU;
  const auto type = accelerator_type();
  const auto* number = std::get_if<int64_t>(&named);
  if (number && type && *number < accelerator_count()) return {*type, static_cast<at::DeviceIndex>(*number)};
  if (named == Device("mps") && has_mps()) return at::kMPS;
  throw ValueError(str("the device ", to_string(named), " does not exist: this process has ", accelerator_count(),
                       " accelerators; place the modules on \"cpu\" or \"disk\""));
}

bool is_automatic(const DeviceMapArg& arg) {
  const auto* word = std::get_if<std::string>(&arg);
  return word && std::find(std::begin(kAutomatic), std::end(kAutomatic), *word) != std::end(kAutomatic);
}

DeviceMap explicit_device_map(const DeviceMapArg& arg) {
  if (const auto* map = std::get_if<DeviceMap>(&arg)) {
    if (map->empty()) throw ValueError("the device map is empty; expected {\"\": device} or devices of modules");
    DeviceMap out;
    for (const auto& [name, device] : *map) out.set(name, canonical_device(device));
    return out;
  }
  if (const auto* number = std::get_if<int64_t>(&arg)) return {{"", canonical_device(*number)}};
  if (const auto* torch = std::get_if<at::Device>(&arg)) return {{"", canonical_device(*torch)}};
  const auto& word = std::get<std::string>(arg);
  try {
    return {{"", canonical_device(word)}};
  } catch (const ValueError&) {
    throw ValueError(str("device_map ", quote(word), " is neither a device nor one of ", join(kAutomatic, ", ")));
  }
}

const Device* find_device(const DeviceMap& map, std::string_view name) {
  for (std::string_view at = name;;) {  // few levels, so climbing them beats comparing every key
    if (const auto* found = map.find(std::string(at))) return found;
    if (at.empty()) return nullptr;
    const auto dot = at.rfind('.');
    at = dot == std::string_view::npos ? std::string_view() : at.substr(0, dot);
  }
}

void check_device_map(const DeviceMap& map, std::span<const std::string> tensors, std::span<const std::string> modules,
                      std::span<const std::vector<std::string>> tied) {
  std::vector<std::string> uncovered, unknown;
  for (const auto& name : tensors)
    if (!find_device(map, name)) uncovered.push_back(name);
  if (!uncovered.empty())
    throw ValueError(str("the device map gives no device to ", join(fold_names(uncovered), ", "),
                         "; add their modules, or \"\" for all that is not named"));
  const std::set<std::string_view> known_tensors(tensors.begin(), tensors.end());
  const std::set<std::string_view> known_modules(modules.begin(), modules.end());
  for (const auto& [name, device] : map)
    if (!name.empty() && !known_tensors.contains(name) && !known_modules.contains(name)) unknown.push_back(name);
  if (!unknown.empty())
    logging::warning(str("the device map names modules that the model does not have: ", join(unknown, ", ")));
  for (const auto& group : tied) {
    std::vector<std::string> places;
    std::set<std::string> distinct;
    for (const auto& name : group)
      if (const auto* device = find_device(map, name)) {
        places.push_back(str(name, " on ", to_string(*device)));
        distinct.insert(to_string(*device));
      }
    if (distinct.size() > 1)
      logging::warning(str("tied parameters are on different devices: ", join(places, ", "),
                           "; place them together, or use device_map \"auto\""));
  }
}

bool needs_dispatch(const DeviceMap& map) {
  std::set<std::string> devices;
  for (const auto& [name, device] : map) devices.insert(to_string(device));
  return devices.size() > 1 || devices.contains("disk");
}

}  // namespace transformers
