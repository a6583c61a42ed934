#include "transformers/mapping/config_check.h"

#include <algorithm>
#include <map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/dialects.h"
#include "transformers/mapping/int8.h"
#include "transformers/mapping/key_match.h"
#include "transformers/mapping/ops.h"

namespace transformers {

namespace {

// The names of a field, the first that is there counts.
using Names = Few<std::string_view, 4>;

struct EmbeddingRow {
  std::string_view tensor;
  Names rows, columns;
};
constexpr EmbeddingRow kEmbeddings[] = {
    {"**embed_tokens.weight", {"vocab_size"}, {"hidden_size", "d_model"}},
    {"**embeddings.word_embeddings.weight", {"vocab_size"}, {"embedding_size", "hidden_size"}},
    {"**wte.weight", {"vocab_size"}, {"n_embd", "hidden_size"}},
    {"shared.weight", {"vocab_size"}, {"d_model"}},
    {"**embeddings.position_embeddings.weight", {"max_position_embeddings"}, {"embedding_size", "hidden_size"}},
    {"**wpe.weight", {"n_positions", "max_position_embeddings"}, {"n_embd", "hidden_size"}},
};

// Vectors as wide as the model.
struct NormRow {
  std::string_view tensor;
  Names size;
};
constexpr NormRow kNorms[] = {
    {"model.norm.weight", {"hidden_size"}},
    {"**input_layernorm.weight", {"hidden_size"}},
    {"**post_attention_layernorm.weight", {"hidden_size"}},
    {"**embeddings.LayerNorm.weight", {"embedding_size", "hidden_size"}},
    {"**output.LayerNorm.weight", {"hidden_size"}},
    {"**layernorm_before.weight", {"hidden_size"}},
    {"**layernorm_after.weight", {"hidden_size"}},
    {"**ln_1.weight", {"n_embd", "hidden_size"}},
    {"**ln_2.weight", {"n_embd", "hidden_size"}},
    {"**ln_f.weight", {"n_embd", "hidden_size"}},
    {"**.layer_norm.weight", {"d_model"}},
    {"**final_layer_norm.weight", {"d_model"}},
};

struct LayerRow {
  std::string_view before;  // the number
  Names count;
};
constexpr LayerRow kLayers[] = {
    {"decoder.block.", {"num_decoder_layers", "num_layers"}},
    {"encoder.block.", {"num_layers"}},
    {"encoder.layer.", {"num_hidden_layers"}},
    {"h.", {"n_layer", "num_hidden_layers"}},
    {"model.layers.", {"num_hidden_layers"}},
};

// Sizes and counts that architectures have in common; a text or a fraction in their place cannot be loaded.
constexpr std::string_view kIntegers[] = {"vocab_size",
                                          "hidden_size",
                                          "embedding_size",
                                          "intermediate_size",
                                          "max_position_embeddings",
                                          "num_hidden_layers",
                                          "num_attention_heads",
                                          "num_key_value_heads",
                                          "head_dim",
                                          "type_vocab_size",
                                          "n_embd",
                                          "n_head",
                                          "n_inner",
                                          "n_layer",
                                          "n_positions",
                                          "d_model",
                                          "d_kv",
                                          "d_ff",
                                          "num_layers",
                                          "num_decoder_layers",
                                          "num_heads",
                                          "image_size",
                                          "patch_size",
                                          "num_channels"};

const Json* find_integer(const Json& config, const Names& names, std::string_view& used) {
  for (const auto name : names)
    if (const auto* value = config.find(name); value && value->is_int()) {
      used = name;
      return value;
    }
  return nullptr;
}

void check_size(const Json& config, const Names& names, std::string_view tensor, int64_t found, std::string_view what,
                std::vector<std::string>& out) {
  std::string_view used;
  const auto* stated = find_integer(config, names, used);
  if (stated && stated->as_int() != found)
    out.push_back(str(quote(used), " is ", stated->as_int(), ", but ", quote(tensor), " has ", found, " ", what));
}

void check_norm(const Json& config, const NormRow& row, std::string_view tensor, std::span<const int64_t> shape,
                std::vector<std::string>& out) {
  std::string_view used;
  const auto* stated = find_integer(config, row.size, used);
  if (stated && (shape.size() != 1 || shape[0] != stated->as_int()))
    out.push_back(str(quote(used), " is ", stated->as_int(), ", but ", quote(tensor), " has the shape ", shape));
}

// The number behind `before`, which begins a segment of the name; -1 when there is none.
int64_t layer_in(std::string_view name, std::string_view before) {
  const auto at = name.find(before);
  if (at == std::string_view::npos || (at > 0 && name[at - 1] != '.')) return -1;
  int64_t number = -1;
  for (size_t i = at + before.size(); i < name.size() && name[i] >= '0' && name[i] <= '9' && number < 100000; ++i)
    number = std::max<int64_t>(number, 0) * 10 + (name[i] - '0');
  return number;
}

}  // namespace

std::vector<std::string> check_config_types(const Json& config) {
  std::vector<std::string> out;
  for (const auto name : kIntegers)
    if (const auto* value = config.find(name);
        value && (value->is_string() || (value->is_number() && !value->is_int())))
      out.push_back(str(quote(name), " is ", value->dump(), ", expected an integer"));
  return out;
}

std::vector<std::string> check_config(const CheckpointReader& reader, const Json& config) {
  std::vector<std::string> out;
  std::map<const LayerRow*, int64_t> layers;
  const auto& dialect = dialect_of(reader);
  const bool is_int8 = is_int8_checkpoint(reader);
  for (const auto& entry : reader.entries()) {
    const auto ours = dialect.to_model(config, entry.name, entry.shape);
    if (!ours) continue;
    const auto shape = shape_after(ours->op, std::span<const int64_t>(entry.shape));
    bool is_known = false;
    for (const auto& row : kNorms)
      if (key_matches(row.tensor, ours->name)) {
        check_norm(config, row, entry.name, shape, out);
        is_known = true;
      }
    for (const auto& row : kEmbeddings) is_known |= key_matches(row.tensor, ours->name);
    if (is_known && !is_int8 && !info(entry.dtype).is_floating && !info(entry.dtype).is_quantized)
      out.push_back(str(quote(entry.name), " holds ", info(entry.dtype).name, ", expected floating numbers"));
    for (const auto& row : kEmbeddings)
      if (shape.size() == 2 && key_matches(row.tensor, ours->name)) {
        check_size(config, row.rows, entry.name, shape[0], "rows", out);
        check_size(config, row.columns, entry.name, shape[1], "columns", out);
      }
    for (const auto& row : kLayers)
      if (const auto layer = layer_in(ours->name, row.before); layer >= 0)
        layers[&row] = std::max(layers[&row], layer + 1);
  }
  for (const auto& [row, count] : layers) {
    std::string_view used;
    const auto* stated = find_integer(config, row->count, used);
    if (stated && stated->as_int() != count)
      out.push_back(str(quote(used), " is ", stated->as_int(), ", but the weights have ", count, " layers"));
  }
  return out;
}

}  // namespace transformers
