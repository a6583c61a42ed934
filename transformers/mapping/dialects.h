#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/key_rule.h"

namespace transformers {

/// What a tensor is called on the other side, and how its values lie there.
struct KeyTranslation {
  std::string name = {};
  Op op = Op::Rename;  // turns the file's tensor into the model's; its inverse the other way: see mapping/ops.h
  int64_t heads = 0;   // PermuteRope: how many
};

/// The names and layouts of one kind of file against ours, which are those of the reference's PyTorch classes. Each is
/// one record and one line in dialects.cpp. `config` is a config.json: `model_type` picks the table, `architectures`
/// the class (a base model's tensors have no prefix with us, in Keras files always). No function opens a file.
struct KeyDialect {
  /// As CheckpointReader::dialect: "flax", "gguf", "keras", "tensorflow", "transformers".
  std::string_view name = {};
  /// The tensor of the model that a file's `key` of `shape` stands for. A key that no rule knows keeps its name in our
  /// spelling (dots, no ":0"), for reports; absent when it is none of the model's at all: see is_ignored.
  std::optional<KeyTranslation> (*to_model)(const Json& config, std::string_view key,
                                            std::span<const int64_t> shape) = nullptr;
  /// What a file calls the model's tensor `name` of `shape`, ours; `op` is the one to undo. Absent when the file has no
  /// place for it. ValueError naming the known ones when the dialect has no table for the model_type.
  std::optional<KeyTranslation> (*to_file)(const Json& config, std::string_view name,
                                           std::span<const int64_t> shape) = nullptr;
  /// True for keys of a file that are no weights: slots of optimizers, counters.
  bool (*is_ignored)(std::string_view key) = nullptr;
  /// The tensor of ours with whose values the file serves `name` too (the embedding, for output weights); absent when
  /// there is none. A writer leaves `name` out when both hold the same, else it goes where to_file says; that
  /// may be nowhere, as the framework cannot have them differ.
  std::optional<std::string> (*shared_with)(const Json& config, std::string_view name) = nullptr;
};

/// The dialect called `name`, or null.
[[nodiscard]] const KeyDialect* find_dialect(std::string_view name);
/// The dialect of a file: the reader's, or what the metadata of a safetensors file states as its `format` ("pt", "mlx",
/// "tf", "flax"; none: ours). OSError naming the file for any other.
[[nodiscard]] const KeyDialect& dialect_of(const CheckpointReader& reader);
/// Every dialect, alphabetical.
[[nodiscard]] std::span<const KeyDialect* const> key_dialects();

/// True for tensors that old PyTorch files hold and models compute: `position_ids`, causal masks, `inv_freq`. Files of
/// other frameworks have no place for them.
[[nodiscard]] bool is_derived_tensor(std::string_view name);

}  // namespace transformers
