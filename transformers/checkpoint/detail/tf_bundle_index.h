#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "transformers/dtypes/dtypes.h"

namespace transformers::detail {

/// Numbers of TensorFlow's DataType enumeration. The same table serves both ways.
[[nodiscard]] std::optional<DataType> data_type_from_tensorflow(int64_t number);
[[nodiscard]] std::optional<int64_t> tensorflow_number(DataType type);
/// The name of a type of TensorFlow that we hold no tensors of ("string"); empty for a number it does not have.
[[nodiscard]] std::string_view unheld_tensorflow_type(int64_t number);

/// BundleHeaderProto.
struct TfBundleHeader {
  int64_t num_shards = 0;
  int64_t producer = 0;
};

/// The part of one dimension that a slice covers; without a length all of it. TensorSliceProto.Extent.
struct TfExtent {
  int64_t start = 0;
  std::optional<int64_t> length = {};
};
using TfSlice = std::vector<TfExtent>;

/// BundleEntryProto: a tensor, a slice of one, or (with `slices`) one that lies in the file in slices only.
struct TfBundleEntry {
  int64_t dtype = 0;
  std::vector<int64_t> shape = {};
  int64_t shard = 0;
  uint64_t offset = 0, size_bytes = 0;
  uint32_t crc = 0;  // masked
  std::vector<TfSlice> slices = {};
};

/// What an index says, before the shards are looked at. Names are in ascending order.
struct TfBundleIndex {
  TfBundleHeader header = {};
  std::vector<std::pair<std::string, TfBundleEntry>> entries = {};
  std::unordered_map<std::string, TfBundleEntry> slices = {};  // by slice_key
};

/// Throws OSError naming the file for what is no index, is damaged, is of format V1, of a newer version or big-endian.
[[nodiscard]] TfBundleIndex parse_tf_bundle_index(std::span<const std::byte> bytes, const std::filesystem::path& file);

/// The key under which the index holds one slice of `name`.
[[nodiscard]] std::string slice_key(std::string_view name, const TfSlice& slice);

/// The messages as TensorFlow serialises them.
[[nodiscard]] std::string serialize(const TfBundleHeader& header);
[[nodiscard]] std::string serialize(const TfBundleEntry& entry);

/// `<prefix>.data-00000-of-00001`; the prefix of `<prefix>.index`.
[[nodiscard]] std::filesystem::path tf_shard_path(const std::filesystem::path& index_file, int64_t shard,
                                                  int64_t num_shards);

}  // namespace transformers::detail
