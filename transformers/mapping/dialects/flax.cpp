#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/frameworks.h"

// Flax models: `bert.encoder.layer.0.output.dense.kernel`. Facts: the trees that transformers 4.53.3 makes
// (tests/tools/make_key_goldens.py lists them).

namespace transformers {

namespace detail {

namespace {

constexpr KeyRule kCommon[] = {
    {"**.kernel", "**.weight", Op::HwioToOihw, "", 4},
    {"**.kernel", "**.weight", Op::Transpose, "", 3},
    {"**.kernel", "**.weight", Op::Transpose, "", 2},
    {"**.scale", "**.weight", Op::Rename, "", 1},
    {"**.bias", "**.bias"},
    {"**.embedding", "**.weight"},
    {"**.mean", "**.running_mean"},
    {"**.var", "**.running_var"},
};

constexpr TiedWeight kAlbertShared[] = {
    {"predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"},
    {"predictions.decoder.bias", "predictions.bias"},
};

constexpr KeyRule kBertLeaves[] = {
    {"**.word_embeddings.embedding", "**.word_embeddings.weight"},
    {"**.token_type_embeddings.embedding", "**.token_type_embeddings.weight"},
    {"**.position_embeddings.embedding", "**.position_embeddings.weight"},
};
constexpr KeyRule kGpt2Leaves[] = {
    {"wte.embedding", "wte.weight"},
    {"wpe.embedding", "wpe.weight"},
    {"**.wte.embedding", "**.wte.weight"},
    {"**.wpe.embedding", "**.wpe.weight"},
};
constexpr KeyRule kLlamaLeaves[] = {
    {"embed_tokens.embedding", "embed_tokens.weight"},
    {"**.embed_tokens.embedding", "**.embed_tokens.weight"},
    {"**.input_layernorm.weight", "**.input_layernorm.weight"},
    {"**.post_attention_layernorm.weight", "**.post_attention_layernorm.weight"},
    {"norm.weight", "norm.weight"},
    {"**.norm.weight", "**.norm.weight"},
};

constexpr KeyRule kT5Leaves[] = {
    {"shared.embedding", "shared.weight"},
    {"lm_head.kernel", "lm_head.weight", Op::Transpose, "", 2},
    {"**.relative_attention_bias.embedding", "**.relative_attention_bias.weight"},
    {"**.layer_norm.weight", "**.layer_norm.weight"},
    {"**.final_layer_norm.weight", "**.final_layer_norm.weight"},
};
constexpr KeyRule kVitLeaves[] = {
    {"**.cls_token", "**.cls_token"},
    {"**.position_embeddings", "**.position_embeddings"},
};

constexpr FrameworkArchitecture kArchitectures[] = {
    {"albert", "AlbertModel", "", {}, kBertLeaves, kAlbertShared},
    {"bert", "BertModel", "", {}, kBertLeaves, kBertShared},
    {"distilbert", "DistilBertModel", "", {}, kBertLeaves, kDistilBertShared},
    {"gpt2", "GPT2Model", "", {}, kGpt2Leaves, kGpt2Shared},
    {"llama", "LlamaModel", "", {}, kLlamaLeaves, {}},
    {"mistral", "MistralModel", "", {}, kLlamaLeaves, {}},
    {"roberta", "RobertaModel", "", {}, kBertLeaves, kRobertaShared},
    {"t5", "T5Model", "", {}, kT5Leaves, kT5Shared},
    {"vit", "ViTModel", "", {}, kVitLeaves, {}},
};

constexpr std::string_view kIgnored[] = {"opt_state.**", "step"};

// A training state holds the tree under `params`.
std::string normal(std::string_view key, const FrameworkArchitecture* /*row*/) {
  constexpr std::string_view kWrappers[] = {"params.", "batch_stats."};
  for (const auto wrapper : kWrappers)
    if (key.starts_with(wrapper)) key.remove_prefix(wrapper.size());
  return std::string(key);
}

std::string spell(std::string_view name, const FrameworkArchitecture& /*row*/, const Json& /*config*/) {
  return std::string(name);
}

constexpr Framework kFlax{"flax", kArchitectures, kCommon, kIgnored, normal, spell};

}  // namespace
}  // namespace detail

extern constinit const KeyDialect flax_dialect = detail::framework_dialect<detail::kFlax>("flax");

}  // namespace transformers
