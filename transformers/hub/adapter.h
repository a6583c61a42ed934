#pragma once

#include <string_view>

#include "transformers/hub/snapshot.h"

namespace transformers {

inline constexpr std::string_view kAdapterConfigFile = "adapter_config.json";

/// True for a folder or repository that holds an adapter and no model of its own.
[[nodiscard]] bool is_adapter_alone(const Snapshot& snapshot);

/// The model that an adapter was made for: what `base_model_name_or_path` of its config names, looked up as a path from
/// the working directory, beside the adapter, and as a Hub id at the `revision` that the config names. The other
/// `options` are those that the adapter was looked up with. A repository's adapter can only name another repository.
/// Throws ValueError for a config that names none, or an adapter; OSError naming the places tried.
[[nodiscard]] Snapshot base_of_adapter(const Snapshot& adapter, const SnapshotOptions& options);

/// Where a model's tokenizer lies: beside it, or of an adapter that brings none, beside its base. Fetches its files.
[[nodiscard]] Snapshot snapshot_of_tokenizer(const Snapshot& snapshot, const SnapshotOptions& options);

}  // namespace transformers
