#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "transformers/placement/device_map.h"
#include "transformers/placement/module_sizes.h"

namespace transformers {

/// What a plan must respect beside the sizes.
struct PlacementLimits {
  std::vector<std::string> no_split = {};           // classes that are never divided
  std::vector<std::vector<std::string>> tied = {};  // names of parameters that are one; the source among them
  bool offload_buffers = false;
  bool clean_result = true;  // equal children are merged into their parent
};

/// Bytes per device, in the order in which devices are filled: accelerators ascending, mps, cpu, disk.
using DeviceBudget = std::vector<std::pair<Device, int64_t>>;

/// The user's limits in bytes, or, where there are none, what is free: each accelerator, and 90 % of the available
/// memory. Throws ValueError naming a device that is none; warns of accelerators that do not exist.
[[nodiscard]] DeviceBudget device_budget(const std::optional<MaxMemory>& max_memory);

/// The budget of `strategy` ("auto" and "balanced", "balanced_low_0", "sequential") made of `budget`: accelerators but
/// the last get their share of the model and 1.25 × the larger of the biggest undivided block and the biggest leaf. One
/// accelerator without a limit by the user (`is_default`): 90 % of it.
[[nodiscard]] DeviceBudget balance(const SizedModule& model, DeviceBudget budget, const std::string& strategy,
                                   bool is_default, const std::vector<std::string>& no_split);

/// Fills the devices in order with the modules in order and never goes back; "disk" takes what is left. Room for the
/// largest layer to come is held back on the first accelerator and on the CPU. What does not fit is divided into its
/// children, tied modules first, or opens the next device. Reference: infer_auto_device_map.
[[nodiscard]] DeviceMap infer_device_map(const SizedModule& model, const DeviceBudget& budget,
                                         const PlacementLimits& limits);

/// Bytes that the map puts on each device, in the order of `map`'s devices.
[[nodiscard]] std::vector<std::pair<Device, int64_t>> bytes_per_device(const SizedModule& model, const DeviceMap& map);

}  // namespace transformers
