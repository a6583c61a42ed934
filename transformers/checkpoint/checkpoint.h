#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/dtypes/dtypes.h"

namespace transformers {

/// One tensor of a checkpoint as its file describes it. Shapes are in row-major order (outermost first), GGUF's too.
struct CheckpointEntry {
  std::string name = {};
  DataType dtype = DataType::F32;
  std::vector<int64_t> shape = {};
  size_t file = 0;          // index into CheckpointReader::files()
  uint64_t offset = 0;      // of the first byte in that file; 0 where the bytes are no single run in it
  uint64_t size_bytes = 0;  // of the tensor, row-major
};

/// What became of comparing a tensor's bytes with the checksum that its file holds.
enum class Integrity { Unknown, Intact, Damaged };  // Unknown: the format has no checksums

/// Reads one checkpoint: one file, or several under an index. Everything is validated when it is opened; data is mapped
/// and touched only when asked for. Safe to use from several threads.
class CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;

  /// In file order; names are unique.
  [[nodiscard]] virtual std::span<const CheckpointEntry> entries() const = 0;
  /// The entry called `name`, or null.
  [[nodiscard]] virtual const CheckpointEntry* find(std::string_view name) const = 0;
  /// The raw bytes of an entry of this reader, little-endian, row-major: mapped where they lie so in the file,
  /// otherwise a copy of this one tensor. `owner` keeps them alive.
  [[nodiscard]] virtual SharedBytes bytes(const CheckpointEntry& entry) const = 0;
  /// Reads the bytes of an entry of this reader and compares them with their checksum; opening does not, as it reads
  /// no data.
  [[nodiscard]] virtual Integrity verify(const CheckpointEntry& /*entry*/) const { return Integrity::Unknown; }
  /// What is going to happen to the bytes of an entry, which nobody has changed. Who reads a checkpoint larger than the
  /// memory from end to end releases each tensor.
  virtual void advise(const CheckpointEntry& /*entry*/, Advice /*advice*/) const {}
  [[nodiscard]] virtual std::span<const std::filesystem::path> files() const = 0;
  /// Safetensors: the strings of `__metadata__`; GGUF: all key-value pairs; index files: their `metadata`; TensorFlow:
  /// `num_shards`, `producer`, and under `skipped` the variables that are no tensors of numbers, with their types.
  [[nodiscard]] virtual const Json& metadata() const = 0;
  /// The naming dialect of the keys and the layout of what they name; see CheckpointFormat::dialect.
  [[nodiscard]] virtual std::string_view dialect() const = 0;
};

/// One tensor to be written; `bytes` is asked for once, while writing, and dropped before the next.
struct CheckpointWriteEntry {
  std::string name = {};
  DataType dtype = DataType::F32;
  std::vector<int64_t> shape = {};
  std::function<SharedBytes()> bytes = {};
  /// The name of an earlier entry of the same dtype and size whose bytes these are, or empty. A format whose tensors
  /// may share bytes keeps them once; the others ask for `bytes` all the same.
  std::string alias_of = {};
};

/// A file format of weights; each is one record here and one line in formats.cpp.
struct CheckpointFormat {
  std::string_view name = {};
  std::string_view extension = {};  // with its dot, of the files that we write
  /// What the keys are called and how the tensors lie: "transformers", "gguf", "keras" (TF 2 models), "tensorflow" (TF
  /// 1 variables) or "flax". A format that holds any of them says "transformers".
  std::string_view dialect = "transformers";
  /// True when the file is of this format, judged by its first bytes (up to 16) and its name.
  bool (*matches)(std::span<const std::byte> head, const std::filesystem::path& file) = nullptr;
  std::unique_ptr<CheckpointReader> (*open)(const std::filesystem::path& file) = nullptr;
  /// Writes one checkpoint; it appears whole or not at all. `metadata` is an object like CheckpointReader::metadata.
  /// Throws ValueError for what the format cannot hold. Null: this version only reads the format.
  void (*write)(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                const Json& metadata) = nullptr;
};
/// Every format of the library, alphabetical.
[[nodiscard]] std::span<const CheckpointFormat* const> checkpoint_formats();

/// Opens a single weights file, or a `*.index.json` with its shards. Errors are OSErrors of one sentence that name the
/// file and the reason: missing, empty, a Git LFS pointer, truncated, malformed, of no known format (they are listed).
/// An index without `weight_map`, or with a shard that is no plain file name beside it, is a ValueError.
[[nodiscard]] std::unique_ptr<CheckpointReader> open_checkpoint(const std::filesystem::path& file);

}  // namespace transformers
