#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/size.h"
#include "transformers/dtypes/dtypes.h"

namespace transformers {

struct ConvertOptions {
  std::string to = "safetensors";  // one of convert_targets()
  /// Of "tf": "h5", or "bundle", a V2 checkpoint (`model.ckpt.index` and its data) with the variables of TF 1 programs,
  /// for BERT, ALBERT and T5.
  std::string tf_format = "h5";
  /// Of floating tensors: "float32", "float16" or "bfloat16"; integers keep their type. Absent: as they are; a GGUF
  /// file's all take the widest among them, block types counting as float32.
  std::optional<std::string> dtype = {};
  /// Of the matrices: a block type that `quantize` writes, such as "q8_0", for gguf; "int8" for safetensors.
  std::optional<std::string> quantize = {};
  std::optional<ByteSize> max_shard_size = {};     // absent: 50GB, for tf and flax 10GB; GGUF is never cut
  std::optional<std::string> variant = {};         // of the files written: model.fp16.safetensors
  std::optional<std::string> source_variant = {};  // of the files read
  std::string name = {};                           // of the model, for GGUF files; empty: as the source is called
  bool measure_error = false;                      // fill ConvertedTensor::error
  /// Called with the folder in which the new files wait for their places, to add to them or to change them.
  std::function<void(const std::filesystem::path& folder)> add_files = {};
};

/// One tensor of the new checkpoint and what it was made from.
struct ConvertedTensor {
  std::string name = {};
  std::vector<int64_t> shape = {};
  DataType from = DataType::F32, to = DataType::F32;
  int64_t source_bytes = 0, bytes = 0;  // `bytes` with the scales of int8
  double error = 0;                     // root of the mean squared difference over that of the values
  double power = 0;                     // sum of the squares of the values; 0 where no error was measured
};

struct ConvertReport {
  std::vector<std::string> files = {};    // of weights, in the destination folder
  std::vector<std::string> dropped = {};  // keys of the source that hold nothing of the model, or what others hold
  std::vector<ConvertedTensor> tensors = {};
  int64_t source_bytes = 0, bytes = 0;
  double error = 0;  // over all tensors that were measured
};

/// "flax", "gguf", "pt", "safetensors", "tf".
[[nodiscard]] std::span<const std::string_view> convert_targets();
/// The block types that a GGUF file can be written in.
[[nodiscard]] std::vector<std::string_view> gguf_quantize_types();

/// Throws ValueError for options that fit neither each other nor the format, nor what `destination` is called. Reads no
/// file; convert_checkpoint does it first.
void check_convert_options(const std::filesystem::path& destination, const ConvertOptions& options);

/// Writes the model in `source`, a folder or one file of weights in any format, into `destination` in another format:
/// a folder with config.json, the tokenizer's files and the weights under their usual names, or one file of weights,
/// when `destination` has the extension of the format. Everything appears at once or nothing does. Values are never
/// changed but by the dtypes that are asked for; keys go through the names of the reference's PyTorch classes. One
/// tensor is in memory at a time, in its old and its new form. Reports progress.
///
/// Throws FileNotFoundError and OSError for the files; ValueError for options that do not fit, listing keys that have
/// no place in the target, saying that a config.json is needed, or when the destination holds weights of another format
/// that would be loaded in place of the new ones.
ConvertReport convert_checkpoint(const std::filesystem::path& source, const std::filesystem::path& destination,
                                 const ConvertOptions& options = {});

}  // namespace transformers
