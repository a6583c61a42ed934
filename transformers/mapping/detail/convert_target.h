#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/checkpoint/sharded_writer.h"
#include "transformers/mapping/convert.h"

namespace transformers::detail {

/// A format to convert to, as its framework's save_pretrained writes it.
struct ConvertTarget {
  std::string_view name = {};
  std::string_view kind = {};  // among several of this name, ConvertOptions::tf_format
  const CheckpointFormat* format = nullptr;
  std::string_view file = {};        // of the weights; empty: named after the model
  std::string_view shard_size = {};  // empty: one file always
  OversizedTensor oversized = OversizedTensor::StandsApart;
  bool counts_parameters = false;       // in the index
  std::string_view stated_format = {};  // in the metadata
  std::string (*index_key)(const std::string& name) = nullptr;
};
/// ValueError listing the known ones.
[[nodiscard]] const ConvertTarget& find_target(const ConvertOptions& options);

/// A checkpoint ready to be written.
struct ConvertedCheckpoint {
  std::vector<CheckpointWriteEntry> entries = {};
  Json metadata = Json::object();
  Json config = {};                       // null: none is written
  std::filesystem::path side_files = {};  // folder to take the tokenizer's files from; empty: none
  std::string model_name = {};
};

/// True when `destination` stands for one file of the format, not for a folder.
[[nodiscard]] bool is_single_file(const ConvertTarget& target, const std::filesystem::path& destination);
/// Throws ValueError for a new name that is called like a file of another format.
void check_name(const ConvertTarget& target, const std::filesystem::path& destination);
/// Throws ValueError when what is there already would be loaded in place of the new files, or is the source itself.
void check_destination(const ConvertTarget& target, const std::filesystem::path& destination);

/// Writes everything; returns the names of the weights files. The destination is whole or as it was, and absent if it
/// was.
std::vector<std::string> write_converted(const ConvertTarget& target, const std::filesystem::path& destination,
                                         const ConvertedCheckpoint& checkpoint, const ConvertOptions& options);

/// The layers that a Keras file lists, with their weights: a weight that layers share is listed in each.
[[nodiscard]] Json keras_layers(std::span<const CheckpointWriteEntry> entries);

}  // namespace transformers::detail
