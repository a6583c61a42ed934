#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "transformers/base/ordered_map.h"
#include "transformers/base/size.h"

namespace transformers {

/// Where a module lives: the number of an accelerator, "cpu", "disk", "mps" or any name of a torch device.
using Device = std::variant<int64_t, std::string, at::Device>;
/// Module or parameter name → device; "" is the whole model.
using DeviceMap = OrderedMap<std::string, Device>;
/// "auto", "balanced", "balanced_low_0", "sequential", a device, or a map.
using DeviceMapArg = std::variant<std::string, int64_t, at::Device, DeviceMap>;
/// What each device may hold: `{{0, "1GB"}, {"cpu", "30GB"}}`. A device left out gets nothing.
using MaxMemory = OrderedMap<Device, ByteSize>;

/// The one spelling of a device that maps use: the accelerator's devices as numbers, "cpu", "disk", "mps", else a torch
/// device. "cuda" without a number is the one of LOCAL_RANK. Throws ValueError naming what is no device.
[[nodiscard]] Device canonical_device(const Device& device);
[[nodiscard]] std::string to_string(const Device& device);
/// The torch device that computes with what is placed on `device`; a number is one of the accelerator in force. "disk"
/// is the CPU. Throws ValueError when there is no such device in this process.
[[nodiscard]] at::Device torch_device(const Device& device);

/// True for the four words that ask for an automatic map.
[[nodiscard]] bool is_automatic(const DeviceMapArg& arg);
/// A map of canonical devices from any form but the four words. ValueError for a negative number, an unknown word (it
/// names the four), an empty map.
[[nodiscard]] DeviceMap explicit_device_map(const DeviceMapArg& arg);

/// The device of a parameter or module: the longest key that is it or contains it, on dot boundaries; null when none
/// does.
[[nodiscard]] const Device* find_device(const DeviceMap& map, std::string_view name);

/// Throws ValueError listing the tensors that no key covers; warns of keys that name nothing in the model and of tied
/// parameters on different devices. `modules` are the names of all modules.
void check_device_map(const DeviceMap& map, std::span<const std::string> tensors, std::span<const std::string> modules,
                      std::span<const std::vector<std::string>> tied);

/// True when the model needs hooks to run: several devices, or something on disk.
[[nodiscard]] bool needs_dispatch(const DeviceMap& map);

}  // namespace transformers
