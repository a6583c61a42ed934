#include "transformers/mapping/dialects/gguf_export.h"

#include <algorithm>
#include <cstring>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/detail/gguf_conversion.h"
#include "transformers/mapping/dialects/detail/gguf_fields.h"
#include "transformers/mapping/key_match.h"
#include "transformers/mapping/ops.h"

namespace transformers {

namespace {

using namespace detail;  // the tables of the dialect

constexpr std::string_view kOutput = "output.weight", kEmbedding = "token_embd.weight";

// Of the reference's checkpoints: what a file needs not hold, because the model computes it or has it elsewhere.
constexpr std::string_view kComputed[] = {
    "**.rotary_emb.inv_freq",      "**.attn.bias",  // GPT-2's causal mask
    "**.attn.masked_bias",         "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
};

// Matrices that llama.cpp wants in float32.
constexpr std::string_view kFloat32[] = {"**_norm.weight", "position_embd.weight", "**.attn_rel_b.weight"};

bool fits_any(std::span<const std::string_view> patterns, std::string_view key) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view p) { return key_matches(p, key); });
}

// Where rows are no whole blocks of the first type.
struct Fallback {
  DataType type = DataType::F32, next = DataType::F16;
};
constexpr Fallback kFallbacks[] = {
    {DataType::Q2_K, DataType::Q4_0}, {DataType::Q3_K, DataType::Q4_0}, {DataType::Q4_K, DataType::Q5_0},
    {DataType::Q5_K, DataType::Q5_1}, {DataType::Q6_K, DataType::Q8_0},
};

DataType fallback_of(DataType type) {
  const auto* row = std::find_if(std::begin(kFallbacks), std::end(kFallbacks),
                                 [&](const Fallback& candidate) { return candidate.type == type; });
  return row == std::end(kFallbacks) ? DataType::F16 : row->next;
}

double bits_of(DataType type) { return 8.0 * info(type).block_bytes / info(type).block_elements; }

bool same_bytes(const SharedBytes& a, const SharedBytes& b) {
  return a.bytes.size() == b.bytes.size() && std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin());
}

// Where the config ties the output weights, and the file does not contradict it: they are the embedding's.
bool is_tied_copy(const CheckpointReader& source, const CheckpointEntry& output, const CheckpointEntry* embedding,
                  const Json& config) {
  if (!embedding || !config.get("tie_word_embeddings", false) || !config.get("scale_decoder_outputs", true))
    return false;
  return output.dtype == embedding->dtype && output.shape == embedding->shape &&
         same_bytes(source.bytes(output), source.bytes(*embedding));
}

struct Placed {
  const CheckpointEntry* entry = nullptr;
  GgufTarget target = {};
};

std::vector<Placed> place_all(const CheckpointReader& source, const Json& config) {
  std::vector<Placed> out;
  std::vector<std::string> homeless;
  for (const auto& entry : source.entries()) {
    if (auto target = gguf_target(config, entry.name))
      out.push_back({&entry, std::move(*target)});
    else if (!fits_any(kComputed, entry.name))
      homeless.push_back(entry.name);
  }
  if (!homeless.empty())
    throw ValueError(str(source.files().empty() ? std::string("the checkpoint") : source.files()[0].native(),
                         ": these tensors have no place in a GGUF file of a ", config.get("model_type", ""),
                         " model: ", join(fold_names(homeless), ", ")));
  return out;
}

std::vector<Placed> place_as_named(const CheckpointReader& source) {
  std::vector<Placed> out;
  for (const auto& entry : source.entries()) out.push_back({&entry, {.name = entry.name}});
  return out;
}

const Placed* find(std::span<const Placed> tensors, std::string_view name) {
  const auto it = std::find_if(tensors.begin(), tensors.end(), [&](const Placed& p) { return p.target.name == name; });
  return it == tensors.end() ? nullptr : &*it;
}

CheckpointWriteEntry entry_for(const CheckpointReader& source, const Placed& placed, bool is_output,
                               const GgufExportOptions& options) {
  const auto shape = shape_after(inverse_of(placed.target.op), placed.entry->shape);
  const auto dtype = gguf_data_type(placed.target.name, shape, is_output, options);
  return {.name = placed.target.name, .dtype = dtype, .shape = shape, .bytes = [&source, placed, dtype] {
            return convert_for_gguf(source, *placed.entry, placed.target, dtype);
          }};
}

CheckpointWriteEntry rope_entry(const std::vector<float>& factors) {
  const auto owned = std::make_shared<std::vector<float>>(factors);
  return {.name = "rope_freqs.weight", .shape = {static_cast<int64_t>(factors.size())}, .bytes = [owned] {
            return SharedBytes{std::as_bytes(std::span(*owned)), owned};
          }};
}

}  // namespace

std::optional<GgufTarget> gguf_target(const Json& config, std::string_view name) {
  const auto& row = gguf_architecture_for(config);
  for (const auto& key : {std::string(name), str(row.base_prefix, name)})
    for (const auto& rule : row.rules)
      if (auto found = invert_rule(rule, key))
        return GgufTarget{std::move(*found), rule.op, heads_of(config, rule.heads)};
  return std::nullopt;
}

DataType gguf_data_type(std::string_view gguf_name, std::span<const int64_t> shape, bool is_output,
                        const GgufExportOptions& options) {
  if (shape.size() < 2 || fits_any(kFloat32, gguf_name)) return DataType::F32;
  DataType type = options.dtype;
  if (is_output && !options.is_pure && bits_of(type) < bits_of(DataType::Q6_K)) type = DataType::Q6_K;
  while (!byte_count(type, shape)) {
    if (info(type).block_elements == 1) break;  // an impossible shape: the writer says so
    type = fallback_of(type);
  }
  return type;
}

GgufExport export_gguf(const CheckpointReader& source, const Json& config, const GgufTokenizerFiles& tokenizer,
                       const GgufExportOptions& options) {
  const bool is_gguf = source.dialect() == "gguf";
  GgufExport out{.metadata = is_gguf ? source.metadata() : gguf_metadata(config, tokenizer, options)};
  state_gguf_file_type(options.dtype, out.metadata);
  auto tensors = is_gguf ? place_as_named(source) : place_all(source, config);
  const auto* embedding = find(tensors, kEmbedding);
  const auto* output = find(tensors, kOutput);
  if (!is_gguf && output && is_tied_copy(source, *output->entry, embedding ? embedding->entry : nullptr, config)) {
    tensors.erase(tensors.begin() + (output - tensors.data()));
    output = nullptr;
  }
  // Outputs that are not scaled although the weights are tied: a file says it by an output matrix of its own.
  if (!is_gguf && !output && embedding && !config.get("scale_decoder_outputs", true)) {
    tensors.push_back({embedding->entry, {.name = std::string(kOutput)}});
    output = &tensors.back();
  }
  for (const auto& placed : tensors)
    out.entries.push_back(entry_for(source, placed, placed.target.name == (output ? kOutput : kEmbedding), options));
  if (is_gguf || !gguf_architecture_for(config).has_rope_factors) return out;
  if (const auto factors = gguf_rope_factors(config, gguf_head_size(config)); !factors.empty())
    out.entries.push_back(rope_entry(factors));
  return out;
}

}  // namespace transformers
