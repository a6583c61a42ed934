#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/frameworks.h"
#include "transformers/mapping/key_match.h"

// TF 2 models: `tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0`. Facts: the variables that transformers
// 4.53.3 makes (tests/tools/make_key_goldens.py lists them).

namespace transformers {

namespace detail {

namespace {

constexpr KeyRule kCommon[] = {
    {"**.kernel", "**.weight", Op::HwioToOihw, "", 4},
    {"**.kernel", "**.weight", Op::Transpose, "", 3},
    {"**.kernel", "**.weight", Op::Transpose, "", 2},
    {"**.gamma", "**.weight", Op::Rename, "", 1},
    {"**.bias", "**.bias"},
    {"**.beta", "**.bias"},
    {"**.embeddings", "**.weight"},
    {"**.moving_mean", "**.running_mean"},
    {"**.moving_variance", "**.running_var"},
};

constexpr KeyRule kAlbertLeaves[] = {
    {"**.word_embeddings.weight", "**.word_embeddings.weight"},
    {"**.token_type_embeddings.embeddings", "**.token_type_embeddings.weight"},
    {"**.position_embeddings.embeddings", "**.position_embeddings.weight"},
    {"**.LayerNorm.beta", "**.LayerNorm.bias"},
    {"**.full_layer_layer_norm.beta", "**.full_layer_layer_norm.bias"},
};
constexpr TiedWeight kAlbertShared[] = {{"predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"}};

constexpr KeyRule kBertScopes[] = {
    {"mlm___cls.predictions.**", "cls.predictions.**"},
    {"nsp___cls.seq_relationship.**", "cls.seq_relationship.**"},
};
constexpr KeyRule kBertLeaves[] = {
    {"**.word_embeddings.weight", "**.word_embeddings.weight"},
    {"**.token_type_embeddings.embeddings", "**.token_type_embeddings.weight"},
    {"**.position_embeddings.embeddings", "**.position_embeddings.weight"},
    {"**.LayerNorm.beta", "**.LayerNorm.bias"},
};
constexpr KeyRule kDistilBertLeaves[] = {
    {"**.word_embeddings.weight", "**.word_embeddings.weight"},
    {"**.position_embeddings.embeddings", "**.position_embeddings.weight"},
    {"**.LayerNorm.beta", "**.LayerNorm.bias"},
    {"**.sa_layer_norm.beta", "**.sa_layer_norm.bias"},
    {"**.output_layer_norm.beta", "**.output_layer_norm.bias"},
    {"vocab_layer_norm.beta", "vocab_layer_norm.bias"},
};
constexpr KeyRule kGpt2Leaves[] = {
    {"**.wte.embeddings", "**.wte.weight"},
    {"**.wpe.embeddings", "**.wpe.weight"},
    {"**.ln_1.beta", "**.ln_1.bias"},
    {"**.ln_2.beta", "**.ln_2.bias"},
    {"**.ln_f.beta", "**.ln_f.bias"},
    {"**.c_attn.weight", "**.c_attn.weight"},
    {"**.c_proj.weight", "**.c_proj.weight"},
    {"**.c_fc.weight", "**.c_fc.weight"},
    {"**.c_attn.bias", "**.c_attn.bias", Op::Squeeze, "", 2},
    {"**.c_proj.bias", "**.c_proj.bias", Op::Squeeze, "", 2},
    {"**.c_fc.bias", "**.c_fc.bias", Op::Squeeze, "", 2},
};
constexpr KeyRule kMistralLeaves[] = {
    {"**.embed_tokens.embeddings", "**.embed_tokens.weight"},
    {"**.input_layernorm.weight", "**.input_layernorm.weight"},
    {"**.post_attention_layernorm.weight", "**.post_attention_layernorm.weight"},
    {"**.norm.weight", "**.norm.weight"},
};

constexpr KeyRule kRobertaLeaves[] = {
    {"**.word_embeddings.weight", "**.word_embeddings.weight"},
    {"**.token_type_embeddings.embeddings", "**.token_type_embeddings.weight"},
    {"**.position_embeddings.embeddings", "**.position_embeddings.weight"},
    {"**.LayerNorm.beta", "**.LayerNorm.bias"},
    {"lm_head.layer_norm.beta", "lm_head.layer_norm.bias"},
};
constexpr KeyRule kT5Scopes[] = {{"shared.shared.**", "shared.**"}};
constexpr KeyRule kT5Leaves[] = {
    {"shared.embeddings", "shared.weight"},
    {"lm_head.kernel", "lm_head.weight", Op::Transpose, "", 2},
    {"**.relative_attention_bias.embeddings", "**.relative_attention_bias.weight"},
    {"**.layer_norm.weight", "**.layer_norm.weight"},
    {"**.final_layer_norm.weight", "**.final_layer_norm.weight"},
};
constexpr KeyRule kVitLeaves[] = {
    {"**.cls_token", "**.cls_token"},
    {"**.position_embeddings", "**.position_embeddings"},
    {"**.layernorm_before.beta", "**.layernorm_before.bias"},
    {"**.layernorm_after.beta", "**.layernorm_after.bias"},
    {"**.layernorm.beta", "**.layernorm.bias"},
};

constexpr FrameworkArchitecture kArchitectures[] = {
    {"albert", "AlbertModel", "albert", {}, kAlbertLeaves, kAlbertShared},
    {"bert", "BertModel", "bert", kBertScopes, kBertLeaves, kBertShared},
    {"distilbert", "DistilBertModel", "distilbert", {}, kDistilBertLeaves, kDistilBertShared},
    {"gpt2", "GPT2Model", "transformer", {}, kGpt2Leaves, kGpt2Shared},
    {"mistral", "MistralModel", "model", {}, kMistralLeaves, {}, "."},
    {"roberta", "RobertaModel", "roberta", {}, kRobertaLeaves, kRobertaShared},
    {"t5", "T5Model", "", kT5Scopes, kT5Leaves, kT5Shared},
    {"vit", "ViTModel", "vit", {}, kVitLeaves, {}},
};

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

// Keras' name for a layer of a class: an underscore where a word of two letters or more begins, or after one ends.
std::string snake_case(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool begins = i + 1 < name.size() && is_lower(name[i + 1]), ends = i > 0 && is_lower(name[i - 1]);
    if (i > 0 && is_upper(name[i]) && (begins || ends)) out += '_';
    out += is_upper(name[i]) ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
  }
  return out;
}

// Files of whole models put the model's name first, shards and safetensors do not. A layer that is called like what
// stands in it (T5's `shared/shared`) belongs to no model.
bool names_model(std::string_view first, std::string_view second, const FrameworkArchitecture* row) {
  if (second.empty()) return false;
  if (row && !row->base_prefix.empty() && second == row->base_prefix) return true;
  return first != second && first.starts_with("tf");
}

// `mlm___cls` stands for `cls`: one layer of ours is several there.
std::string without_alias(const std::string& name, const FrameworkArchitecture* row) {
  if (row && std::any_of(row->scopes.begin(), row->scopes.end(),
                         [&](const KeyRule& rule) { return key_matches(rule.from, name); }))
    return name;
  constexpr size_t kMostAliases = 10, kMostBytes = 2048;  // T11
  auto parts = split(name, '.');
  size_t aliases = 0;
  for (auto& part : parts)
    if (const auto at = part.rfind("___"); at != std::string::npos) {
      part.erase(0, at + 3);
      ++aliases;
    }
  if (aliases > kMostAliases || (aliases > 0 && name.size() > kMostBytes))
    throw ValueError(str("the variable ", quote(name), " has ", aliases, " aliases ('___') in ", name.size(),
                         " bytes; at most ", kMostAliases, " in ", kMostBytes, " are read"));
  return join(parts, ".");
}

std::string normal(std::string_view key, const FrameworkArchitecture* row) {
  if (const auto colon = key.rfind(':'); colon != std::string_view::npos && key.find('/', colon) == key.npos)
    key = key.substr(0, colon);
  const auto slash = key.find('/');
  if (slash != std::string_view::npos) {
    const auto rest = key.substr(slash + 1);
    if (names_model(key.substr(0, slash), rest.substr(0, rest.find('/')), row)) key = rest;
  }
  return without_alias(replace_all(replace_all(key, "_._", "."), "/", "."), row);
}

std::string spell(std::string_view name, const FrameworkArchitecture& row, const Json& config) {
  const auto parts = split(name, '.');
  const auto joint = row.numbered.empty() ? std::string_view("_._") : row.numbered;
  std::string out;
  if (parts.size() < 2 || parts[0] != parts[1]) {
    const auto model = first_class(config);
    if (model.empty())
      throw ValueError("the config has no 'architectures'; its first class names the variables of a Keras file");
    out = snake_case("TF" + model);
  }
  for (const auto& part : parts) {
    if (!out.empty()) out += is_digits(part) ? joint : "/";
    out += part;
  }
  return out + ":0";
}

constexpr Framework kKeras{"keras", kArchitectures, kCommon, {}, normal, spell};

}  // namespace
}  // namespace detail

extern constinit const KeyDialect keras_dialect = detail::framework_dialect<detail::kKeras>("keras");

}  // namespace transformers
