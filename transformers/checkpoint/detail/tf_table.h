#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace transformers::detail {

/// The sorted table of keys and values that TensorFlow keeps a checkpoint's index in: LevelDB's format of table files.
///
/// Read and written here rather than with LevelDB and protobuf. LevelDB opens a folder that it owns, not a table; its
/// class for a bare table checks neither keys nor checksums unless told to, allocates what a block announces, and would
/// bring Snappy, and protobuf its descriptors, into the start of every program. What a checkpoint needs of both is one
/// pass over sorted pairs and two small messages: less code than the adapters, and every length is checked before use.

/// True when the file ends as every table does.
[[nodiscard]] bool is_tf_table(std::span<const std::byte> bytes);

/// Calls `visit` for each pair, keys strictly ascending; its views live for that call. The checksum of every block is
/// compared. Memory: one block and one key. Throws OSError naming the file and the place.
using TfTableVisitor = std::function<void(std::string_view key, std::string_view value)>;
void read_tf_table(std::span<const std::byte> bytes, const std::filesystem::path& file, const TfTableVisitor& visit);

/// Builds a table in memory, byte for byte as TensorFlow does.
class TfTableWriter {
 public:
  /// Keys must ascend.
  void add(std::string_view key, std::string_view value);
  [[nodiscard]] std::string finish();

 private:
  // Pairs of one block; a key stores only what differs from the one before, every 16th stands whole.
  struct Block {
    void add(std::string_view key, std::string_view value, unsigned restart_every);
    std::string finish();
    std::string bytes = {}, last_key = {};
    std::vector<uint32_t> restarts = {0};
    unsigned since_restart = 0;
  };
  std::string append_block(Block& block);  // its handle
  void end_block(std::string_view separator);

  std::string out_;
  Block data_, index_;
};

}  // namespace transformers::detail
