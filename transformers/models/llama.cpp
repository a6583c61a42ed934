#include "transformers/models/llama.h"

#include "transformers/modeling/pre_norm_options.h"

namespace transformers {

std::span<const Constraint> LlamaConfig::constraints() const {
  using Rule = Constraint::Rule;
  static constexpr Constraint kConstraints[] = {
      {.field = "hidden_size", .rule = Rule::MultipleOf, .other = "num_attention_heads"},
      {.field = "initializer_range", .rule = Rule::Fraction},
      {.field = "pad_token_id", .rule = Rule::TokenOf, .other = "vocab_size"}};
  return kConstraints;
}

void LlamaConfig::finish(std::string_view where) {
  if (!num_key_value_heads) num_key_value_heads = num_attention_heads;
  if (!head_dim) head_dim = hidden_size / num_attention_heads;
  standardize_rope(*this, rope_parameters, 10000.0, max_position_embeddings, where);
}

static PreNormDecoderOptions llama_options(const std::shared_ptr<LlamaConfig>& config) {
  auto o = pre_norm_options(config, "LlamaDecoderLayer");
  const auto& c = *config;
  o.layer.attention.bias = o.layer.attention.output_bias = c.attention_bias;
  o.layer.mlp.bias = c.mlp_bias;
  return o;
}

LlamaModel::LlamaModel(const std::shared_ptr<LlamaConfig>& c) : DecoderModel(c, llama_options(c)) { post_init(); }

// Meta's consolidated.*.pth. Names of the Hub are ours already and need no rule.
constexpr KeyRule kLlamaRules[] = {
    {"tok_embeddings.weight", "model.embed_tokens.weight"},
    {"norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
    {"layers.*.attention.wq.weight", "model.layers.*.self_attn.q_proj.weight", Op::PermuteRope, "num_attention_heads"},
    {"layers.*.attention.wk.weight", "model.layers.*.self_attn.k_proj.weight", Op::PermuteRope, "num_key_value_heads"},
    {"layers.*.attention.wv.weight", "model.layers.*.self_attn.v_proj.weight"},
    {"layers.*.attention.wo.weight", "model.layers.*.self_attn.o_proj.weight"},
    {"layers.*.feed_forward.w1.weight", "model.layers.*.mlp.gate_proj.weight"},
    {"layers.*.feed_forward.w2.weight", "model.layers.*.mlp.down_proj.weight"},
    {"layers.*.feed_forward.w3.weight", "model.layers.*.mlp.up_proj.weight"},
    {"layers.*.attention_norm.weight", "model.layers.*.input_layernorm.weight"},
    {"layers.*.ffn_norm.weight", "model.layers.*.post_attention_layernorm.weight"},
};

constinit const Architecture llama_architecture{
    .model_type = "llama",
    .config = make_config<LlamaConfig>,
    .classes = {model_class<LlamaModel>("LlamaModel", Task::Base),
                model_class<LlamaForCausalLM>("LlamaForCausalLM", Task::CausalLM, kDecoderTies, true),
                model_class<LlamaForSequenceClassification>("LlamaForSequenceClassification",
                                                            Task::SequenceClassification),
                model_class<LlamaForTokenClassification>("LlamaForTokenClassification", Task::TokenClassification),
                model_class<LlamaForQuestionAnswering>("LlamaForQuestionAnswering", Task::QuestionAnswering, {}, false,
                                                       "transformer")},
    .no_split = {"LlamaDecoderLayer"},
    .ignore_unexpected = {"**.rotary_emb.inv_freq"},
    .key_rules = kLlamaRules,
};

}  // namespace transformers
