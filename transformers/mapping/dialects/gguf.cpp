#include "transformers/mapping/dialects/gguf.h"

#include <algorithm>
#include <vector>

#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/detail/gguf_architectures.h"

namespace transformers {

namespace {

using detail::GgufArchitecture;
using detail::GgufField;
using detail::GgufKeys;
using detail::GgufKind;

// Two sizes multiplied stay far below the range of int64_t, as elements and as bytes.
constexpr int64_t kMostSize = 1 << 24;
constexpr int64_t kMostLength = INT32_MAX;
constexpr double kLeastPositive = 1e-30;

const GgufArchitecture& architecture_of(const GgufKeys& keys) {
  const auto rows = detail::gguf_architectures();
  const auto name = keys.text("general.name").value_or("");
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const GgufArchitecture& r) {
    return r.name == keys.architecture() && (r.only_named.empty() || r.only_named == name);
  });
  if (row != rows.end()) return *row;
  std::vector<std::string_view> known;
  for (const auto& r : rows)
    if (known.empty() || known.back() != r.name) known.push_back(r.name);
  keys.refuse(
      str("the GGUF architecture ", quote(keys.architecture()), " is not known; known are ", join(known, ", ")));
}

int64_t most_of(GgufKind kind) { return kind == GgufKind::Size || kind == GgufKind::Layers ? kMostSize : kMostLength; }

// Layers are built before a tensor is looked for: a number without tensors behind it must not cost memory.
void check_layers(const GgufKeys& keys, const GgufField& row, int64_t layers) {
  const auto tensors = keys.reader().entries().size();
  if (static_cast<uint64_t>(layers) > tensors)
    keys.impossible(row.suffix, str(layers), str("at most one layer for each of the ", tensors, " tensors"));
}

void read_field(const GgufKeys& keys, const GgufField& row, Json& config) {
  if (row.kind == GgufKind::Positive) {
    if (const auto value = keys.number(row.suffix, kLeastPositive)) config[row.field] = *value;
  } else if (const auto value = keys.integer(row.suffix, row.kind == GgufKind::Token ? 0 : 1, most_of(row.kind))) {
    if (row.kind == GgufKind::Layers) check_layers(keys, row, *value);
    config[row.field] = *value;
  }
  if (!row.is_optional && !config.contains(row.field)) keys.missing(row.suffix);
}

// What the file says, else the number of tokens, else the rows of the embedding.
int64_t vocab_size(const GgufKeys& keys) {
  if (const auto stated = keys.integer("vocab_size", 1, kMostSize)) return *stated;
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens", kEmbedding = "token_embd.weight";
  if (const auto* tokens = keys.find(kTokens)) {
    if (!tokens->is_array() || tokens->size() == 0 || tokens->size() > static_cast<size_t>(kMostSize))
      keys.impossible(kTokens, str("a ", tokens->type_name(), " of size ", tokens->size()),
                      str("a list of 1 to ", kMostSize, " tokens"));
    return static_cast<int64_t>(tokens->size());
  }
  const auto* embedding = keys.reader().find(kEmbedding);
  if (!embedding || embedding->shape.size() != 2 || embedding->shape[0] < 1 || embedding->shape[0] > kMostSize)
    keys.refuse(str("has neither the metadata key ", quote(keys.full("vocab_size")), " nor ", quote(kTokens),
                    " nor a usable tensor ", quote(kEmbedding), ", so the size of the vocabulary is unknown"));
  return embedding->shape[0];
}

}  // namespace

Json gguf_config(const CheckpointReader& reader, std::string_view where) {
  const GgufKeys keys(reader, where);
  const auto& row = architecture_of(keys);
  Json config = Json::object();
  config["model_type"] = row.model_type;
  config["architectures"] = Json::Array{row.model_class};
  if (const auto name = keys.text("general.name")) config["_model_name_or_path"] = *name;
  for (const auto& field : row.fields) read_field(keys, field, config);
  for (const auto& field : detail::gguf_token_fields()) read_field(keys, field, config);
  config["vocab_size"] = vocab_size(keys);
  config["tie_word_embeddings"] = reader.find("output.weight") == nullptr;
  for (const auto& flag : row.flags)
    if (reader.find(flag.tensor)) config[flag.field] = true;
  row.finish(keys, config);
  return config;
}

std::span<const KeyRule> gguf_rules(const CheckpointReader& reader) {
  const auto where = reader.files().empty() ? std::string("GGUF file") : reader.files().front().native();
  return architecture_of(GgufKeys(reader, where)).rules;
}

std::span<const std::string_view> gguf_ignored_keys() {
  static constexpr std::string_view kKeys[] = {
      "rope_freqs.weight",                  // in rope_parameters
      "blk.*.attn_rot_embd.weight",         // follows from rope_theta
      "dec.blk.*.cross_attn_rel_b.weight",  // in old T5 files; used by none
  };
  return kKeys;
}

}  // namespace transformers
