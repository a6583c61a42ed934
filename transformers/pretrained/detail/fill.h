#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/load_plan.h"
#include "transformers/modeling/model.h"
#include "transformers/placement/device_map.h"
#include "transformers/placement/weight_store.h"
#include "transformers/pretrained/load.h"

namespace transformers {

/// What is needed to give a model on meta its values.
struct FillRequest {
  const LoadPlan* plan = nullptr;
  std::shared_ptr<const CheckpointReader> reader = {};
  std::string source = {};                // for errors
  const DeviceMap* device_map = nullptr;  // null: all on the CPU
  std::optional<std::filesystem::path> offload_folder = {};
  bool offload_state_dict = false;  // what is made for the CPU waits in a temporary folder until everything is read
};

/// Reads what `plan` found, casts it to the types that the model on meta has, places it, and ties what the class
/// declares unless the file contradicts it; takes out of `info.missing_keys` what a tie supplied and adds to
/// `info.error_msgs` weights whose type does not fit. What the map offloads stays on meta in the model and goes into
/// `weights`. Returns the names that have values. Throws ValueError when weights must be written to be offloaded and
/// there is no `offload_folder`.
[[nodiscard]] std::set<std::string> fill_from_checkpoint(PreTrainedModel& model, const FillRequest& request,
                                                         WeightStore& weights, LoadingInfo& info);

/// Initialises what is not in `filled`, by the model's own rules, and places it.
void initialise_missing(PreTrainedModel& model, const std::set<std::string>& filled, const DeviceMap* device_map,
                        WeightStore& weights);

}  // namespace transformers
