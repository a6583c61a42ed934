#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/ordered_map.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/dialects.h"
#include "transformers/mapping/key_rule.h"

namespace transformers {

/// A parameter or persistent buffer that the model has.
struct ModelTensor {
  std::string name = {};
  std::vector<int64_t> shape = {};
};

/// Where one of the model's tensors comes from.
struct PlannedTensor {
  std::string name = {};  // in the model
  const CheckpointEntry* entry = nullptr;
  Op op = Op::Rename;
  int64_t heads = 0;  // PermuteRope: how many
  /// What the file calls it where rules or the caller renamed it, with the base model's prefix as the model has it;
  /// empty where nothing but that prefix differs, and for files of another dialect.
  std::string original = {};
};

struct Mismatch {
  std::string name = {};
  std::vector<int64_t> checkpoint_shape = {}, model_shape = {};
};

/// What loading will do, and every key that found no partner.
struct LoadPlan {
  std::vector<PlannedTensor> tensors = {};   // natural order of names
  std::vector<std::string> missing = {};     // in the model, not in the file; ties are not considered here
  std::vector<std::string> unexpected = {};  // in the file, not in the model
  std::vector<Mismatch> mismatched = {};
};

struct LoadRequest {
  std::span<const ModelTensor> model = {};
  std::span<const CheckpointEntry> entries = {};
  const KeyDialect* dialect = nullptr;  // of the entries; null: they have our names
  Json config = Json::object();         // config.json of the model; the dialect and rules with heads read it
  std::string_view base_model_prefix = {};
  std::function<std::string(const std::string&)> rename = {};  // the caller's, before anything else; may be empty
  std::vector<std::span<const KeyRule>> rules = {};            // tried in this order
  std::vector<std::string_view> ignore_unexpected = {};        // key patterns
  std::set<std::string> own_buffers = {};  // buffers that the model computes itself; old files hold them
};

/// Pairs the keys of a checkpoint with the tensors of a model. A key is translated by the dialect, then tried as it is,
/// with the base model's prefix added or removed, under other names of the same (gamma and beta; weight_g and
/// weight_v), and through the rules. Two keys for one tensor: ValueError naming them.
[[nodiscard]] LoadPlan plan_load(const LoadRequest& request);

/// A key that was written before 2020 under the name that its weight has now (LayerNorm.gamma is LayerNorm.weight).
[[nodiscard]] std::string modern_name(const std::string& key);

}  // namespace transformers
