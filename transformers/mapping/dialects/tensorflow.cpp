#include <algorithm>

#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/frameworks.h"

// Variables of TF 1 checkpoints: `bert/encoder/layer_0/output/dense/kernel` of google-research/bert and /albert,
// `encoder/block_000/layer_000/SelfAttention/q` of mesh-tensorflow's T5.

namespace transformers {

namespace detail {

namespace {

constexpr KeyRule kCommon[] = {
    {"**.kernel", "**.weight", Op::Transpose, "", 2},
    {"**.gamma", "**.weight", Op::Rename, "", 1},
    {"**.bias", "**.bias"},
    {"**.beta", "**.bias"},
};

constexpr KeyRule kBertScopes[] = {
    {"cls.squad.**", "qa_outputs.**"},
};
// The heads' rows come before those that would take their names on the way back.
constexpr KeyRule kBertLeaves[] = {
    {"**.embeddings.word_embeddings", "**.embeddings.word_embeddings.weight"},
    {"**.embeddings.position_embeddings", "**.embeddings.position_embeddings.weight"},
    {"**.embeddings.token_type_embeddings", "**.embeddings.token_type_embeddings.weight"},
    {"**.LayerNorm.beta", "**.LayerNorm.bias"},
    {"cls.predictions.output_bias", "cls.predictions.bias"},
    {"cls.seq_relationship.output_weights", "cls.seq_relationship.weight"},
    {"cls.seq_relationship.output_bias", "cls.seq_relationship.bias"},
    {"qa_outputs.output_weights", "qa_outputs.weight"},
    {"qa_outputs.output_bias", "qa_outputs.bias"},
    {"output_weights", "classifier.weight"},
    {"output_bias", "classifier.bias"},
};
constexpr KeyRule kAlbertScopes[] = {
    {"bert.encoder.transformer.group.*.inner_group.*.LayerNorm.1.**",
     "albert.encoder.albert_layer_groups.*.albert_layers.*.full_layer_layer_norm.**"},
    {"bert.encoder.transformer.group.*.inner_group.*.LayerNorm.**",
     "albert.encoder.albert_layer_groups.*.albert_layers.*.attention.LayerNorm.**"},
    {"bert.encoder.transformer.group.*.inner_group.*.attention.1.output.dense.**",
     "albert.encoder.albert_layer_groups.*.albert_layers.*.attention.dense.**"},
    {"bert.encoder.transformer.group.*.inner_group.*.attention.1.self.**",
     "albert.encoder.albert_layer_groups.*.albert_layers.*.attention.**"},
    {"bert.encoder.transformer.group.*.inner_group.*.ffn.1.intermediate.output.dense.**",
     "albert.encoder.albert_layer_groups.*.albert_layers.*.ffn_output.**"},
    {"bert.encoder.transformer.group.*.inner_group.*.ffn.1.intermediate.dense.**",
     "albert.encoder.albert_layer_groups.*.albert_layers.*.ffn.**"},
    {"bert.pooler.dense.**", "albert.pooler.**"},
    {"cls.predictions.transform.dense.**", "predictions.dense.**"},
    {"cls.predictions.transform.LayerNorm.**", "predictions.LayerNorm.**"},
    {"cls.predictions.**", "predictions.**"},
    {"cls.seq_relationship.**", "sop_classifier.classifier.**"},
    {"bert.**", "albert.**"},
};
constexpr KeyRule kAlbertLeaves[] = {
    {"**.embeddings.word_embeddings", "**.embeddings.word_embeddings.weight"},
    {"**.embeddings.position_embeddings", "**.embeddings.position_embeddings.weight"},
    {"**.embeddings.token_type_embeddings", "**.embeddings.token_type_embeddings.weight"},
    {"**.LayerNorm.beta", "**.LayerNorm.bias"},
    {"**.full_layer_layer_norm.beta", "**.full_layer_layer_norm.bias"},
    {"predictions.output_bias", "predictions.bias"},
    {"sop_classifier.classifier.output_weights", "sop_classifier.classifier.weight"},
    {"sop_classifier.classifier.output_bias", "sop_classifier.classifier.bias"},
};
constexpr TiedWeight kAlbertShared[] = {
    {"predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"},
    {"predictions.decoder.bias", "predictions.bias"},
};

// Matrices lie as (in, out); the table of relative positions as (heads, buckets).
constexpr KeyRule kT5Leaves[] = {
    {"shared.embedding", "shared.weight"},
    {"*.block.*.layer.*.SelfAttention.*", "*.block.*.layer.*.SelfAttention.*.weight", Op::Transpose, "", 2},
    {"*.block.*.layer.*.EncDecAttention.*", "*.block.*.layer.*.EncDecAttention.*.weight", Op::Transpose, "", 2},
    {"**.layer_norm.scale", "**.layer_norm.weight"},
    {"**.final_layer_norm.scale", "**.final_layer_norm.weight"},
    {"decoder.logits.kernel", "lm_head.weight", Op::Transpose, "", 2},
};
constexpr FrameworkArchitecture kArchitectures[] = {
    {"albert", "AlbertModel", "albert", kAlbertScopes, kAlbertLeaves, kAlbertShared},
    {"bert", "BertModel", "bert", kBertScopes, kBertLeaves, kBertShared},
    {"t5", "T5Model", "", {}, kT5Leaves, kT5Shared, "", 3},
};

// Slots of optimizers (Adam, LAMB, Adafactor), what counts steps, and the graph of TF 2's objects.
constexpr std::string_view kIgnored[] = {
    "**.adam_m",
    "**.adam_v",
    "**.Adam",
    "**.Adam.1",
    "**.AdamWeightDecayOptimizer",
    "**.AdamWeightDecayOptimizer.1",
    "**.lamb_m",
    "**.lamb_v",
    "**.Momentum",
    "**_slot_m",
    "**_slot_v",
    "**_slot_vc",
    "**_slot_vr",
    "**.ExponentialMovingAverage",
    "beta1_power",
    "beta2_power",
    "global_step",
    "**.global_step",
    "save_counter.**",
    "_CHECKPOINTABLE_OBJECT_GRAPH",
};

// `layer_0` and `block_000` become parts and plain numbers; T5's gated feed-forward has matrices that are called so.
std::string normal(std::string_view key, const FrameworkArchitecture* /*row*/) {
  std::string out;
  for (const auto& part : split(key, '/')) {
    if (!out.empty()) out += '.';
    const auto at = part.rfind('_');
    const bool is_numbered = at != std::string::npos && at > 0 && part != "wi_0" && part != "wi_1" &&
                             is_digits(std::string_view(part).substr(at + 1));
    if (!is_numbered) {
      out += part;
      continue;
    }
    auto number = std::string_view(part).substr(at + 1);
    while (number.size() > 1 && number.front() == '0') number.remove_prefix(1);
    out += std::string_view(part).substr(0, at);
    out += str(".", number);
  }
  return out;
}

std::string spell(std::string_view name, const FrameworkArchitecture& row, const Json& /*config*/) {
  std::string out;
  for (const auto& part : split(name, '.')) {
    if (!is_digits(part)) {
      out += (out.empty() ? "" : "/") + std::string(part);
      continue;
    }
    out += '_';
    if (part.size() < row.digits) out.append(row.digits - part.size(), '0');
    out += part;
  }
  return out;
}

constexpr Framework kTensorflow{"tensorflow", kArchitectures, kCommon, kIgnored, normal, spell};

}  // namespace
}  // namespace detail

extern constinit const KeyDialect tensorflow_dialect = detail::framework_dialect<detail::kTensorflow>("tensorflow");

}  // namespace transformers
