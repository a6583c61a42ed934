#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/key_rule.h"

namespace transformers {

/// The files of a tokenizer as they were parsed; null where the folder has none.
struct GgufTokenizerFiles {
  Json tokenizer = {};             // tokenizer.json
  Json config = {};                // tokenizer_config.json
  Json special_tokens = {};        // special_tokens_map.json
  std::string chat_template = {};  // chat_template.jinja
};

struct GgufExportOptions {
  /// Of the matrices: F32, F16, BF16 or a block type that `quantize` writes. See gguf_data_type for the exceptions.
  DataType dtype = DataType::F16;
  /// Also the output matrix, and an embedding that serves as one, in `dtype`; otherwise they take at least Q6_K.
  bool is_pure = false;
  /// `general.name`; the last part of the config's `_name_or_path` when empty.
  std::string name = {};
};

/// Where a tensor of a model goes in a GGUF file.
struct GgufTarget {
  std::string name = {};
  Op op = Op::Rename;  // to be undone: the file holds what `op` turns into the model's tensor
  int64_t heads = 0;   // PermuteRope: how many
};

/// The inverse of gguf_config and of what AutoTokenizer::from_gguf reads: the metadata of a file for llama.cpp.
/// `config` is a complete config.json (PretrainedConfig::to_dict: fields left out are not guessed, but for those whose
/// absence means something). Without tokenizer.json `tokenizer.ggml.model` is "none". ValueError naming the field or
/// file for an architecture without a GGUF dialect, settings that no key expresses, tokenizers other than byte-level
/// BPE.
[[nodiscard]] Json gguf_metadata(const Json& config, const GgufTokenizerFiles& tokenizer,
                                 const GgufExportOptions& options = {});

/// The inverse of gguf_rules for one tensor, whose name may lack the base model's prefix; absent when the file has no
/// place for it. Output weights that are tied are the caller's to leave out: see export_gguf.
[[nodiscard]] std::optional<GgufTarget> gguf_target(const Json& config, std::string_view name);

/// The type in which a file holds the tensor `gguf_name` when matrices are asked for as `options.dtype`: what llama.cpp
/// wants in float32 (vectors, norms, positions) stays so; rows that are no whole blocks take the next larger type of
/// smaller blocks, at last F16. `is_output`: the matrix makes the logits.
[[nodiscard]] DataType gguf_data_type(std::string_view gguf_name, std::span<const int64_t> shape, bool is_output,
                                      const GgufExportOptions& options);

/// A whole file, for write_gguf or CheckpointFormat::write.
struct GgufExport {
  std::vector<CheckpointWriteEntry> entries = {};
  Json metadata = Json::object();
};

/// A model as a GGUF file: `source` holds it under the names of the reference, or is itself a GGUF file (then only the
/// types change, and `config` and `tokenizer` are not looked at). Nothing is converted before an entry's `bytes` is
/// asked for, and then one tensor; `source` must outlive the entries. Output weights equal to the embedding they are
/// tied to are left out. Throws ValueError as gguf_metadata, and naming the tensors that have no place in the file.
[[nodiscard]] GgufExport export_gguf(const CheckpointReader& source, const Json& config,
                                     const GgufTokenizerFiles& tokenizer, const GgufExportOptions& options = {});

}  // namespace transformers
