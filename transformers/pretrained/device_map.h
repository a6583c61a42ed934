#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transformers/modeling/model.h"
#include "transformers/placement/device_map.h"
#include "transformers/placement/infer_device_map.h"

namespace transformers {

/// Arguments of infer_auto_device_map; names and defaults are the reference's.
struct InferDeviceMapOptions {
  std::optional<MaxMemory> max_memory = {};                              // absent: what is free
  std::optional<std::vector<std::string>> no_split_module_classes = {};  // absent: those that the model declares
  bool offload_buffers = false;
  bool clean_result = true;
};

/// The map that fills accelerators, then the CPU, then the disk with the modules of `model`, which may stand on meta,
/// in the dtypes that its parameters have. Throws ValueError for limits on what is no device.
[[nodiscard]] DeviceMap infer_auto_device_map(const PreTrainedModel& model, const InferDeviceMapOptions& options = {});

/// The map that `arg` means for `model`: made for the words "auto", "balanced", "balanced_low_0" and "sequential",
/// checked against the model otherwise.
[[nodiscard]] DeviceMap resolve_device_map(const PreTrainedModel& model, const DeviceMapArg& arg,
                                           const InferDeviceMapOptions& options = {});

/// The classes of the model's modules that no map divides (L16).
[[nodiscard]] std::vector<std::string> no_split_classes(const PreTrainedModel& model);

/// The model's modules and bytes as plans see them; tied parameters count once.
[[nodiscard]] SizedModule measure(const PreTrainedModel& model);

}  // namespace transformers
