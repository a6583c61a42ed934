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

namespace transformers {

/// What is needed to give a model on meta its values.
struct FillRequest {
  const LoadPlan* plan = nullptr;
  std::shared_ptr<const CheckpointReader> reader = {};
  std::string source = {};                // for errors
  const DeviceMap* device_map = nullptr;  // null: all on the CPU
  std::optional<std::filesystem::path> offload_folder = {};
};

/// Reads, casts and places what `plan` found, ties what the class declares unless the file contradicts it, and notes in
/// `missing` what a tie supplied. What the map offloads stays on meta in the model and goes into `weights`. Returns the
/// names that have values. Throws RuntimeError for types that do not fit, ValueError when weights must be written to be
/// offloaded and there is no `offload_folder`.
[[nodiscard]] std::set<std::string> fill_from_checkpoint(PreTrainedModel& model, const FillRequest& request,
                                                         WeightStore& weights, std::set<std::string>& missing);

/// Initialises what is not in `filled`, by the model's own rules, and places it.
void initialise_missing(PreTrainedModel& model, const std::set<std::string>& filled, const DeviceMap* device_map,
                        WeightStore& weights);

}  // namespace transformers
