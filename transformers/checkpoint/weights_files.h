#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace transformers {

/// A file that holds a folder's weights, or says where they lie.
struct WeightsName {
  std::string_view file = {};
  std::string_view format = {};  // CheckpointFormat::name
  bool is_adapter = false;       // of an adapter, which is no model by itself
};

/// The names that the libraries give (S02), in the order in which one is chosen among several: P60, then the other
/// frameworks' files.
[[nodiscard]] std::span<const WeightsName> weights_names();

/// True for a name with an extension of a known format, but for what trainers leave beside weights.
[[nodiscard]] bool is_weights_file(const std::filesystem::path& file);

/// Every file of a folder with an extension of a known format, sorted, but for what trainers leave beside weights.
[[nodiscard]] std::vector<std::filesystem::path> list_weights(const std::filesystem::path& folder);

/// The weights of a folder's model, for open_checkpoint: the first of `weights_names` (with the variant before the last
/// suffix) that is there, else the only one of `list_weights`; an adapter's do not count. Absent when there is none.
/// Throws OSError naming the candidates when they are several.
[[nodiscard]] std::optional<std::filesystem::path> find_weights(const std::filesystem::path& folder,
                                                                const std::optional<std::string>& variant = {});

}  // namespace transformers
