#include "transformers/mapping/dialects/detail/gguf_architectures.h"

#include <array>

#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/detail/gguf_fields.h"

namespace transformers::detail {

namespace {

template <class T, size_t A, size_t B>
constexpr std::array<T, A + B> joined(const std::array<T, A>& a, const std::array<T, B>& b) {
  std::array<T, A + B> out{};
  for (size_t i = 0; i < A; ++i) out[i] = a[i];
  for (size_t i = 0; i < B; ++i) out[A + i] = b[i];
  return out;
}

void check_heads(const GgufKeys& keys, int64_t heads, int64_t width) {
  if (width % heads != 0) keys.impossible("attention.head_count", str(heads), str("a divisor of the width, ", width));
}

// Decoders with rotary embeddings: llama, mistral, qwen2, qwen3.

// Names that all of them share.
constexpr auto kDecoderRules = std::to_array<KeyRule>({
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
    {"blk.*.attn_norm.weight", "model.layers.*.input_layernorm.weight"},
    {"blk.*.attn_v.weight", "model.layers.*.self_attn.v_proj.weight"},
    {"blk.*.attn_v.bias", "model.layers.*.self_attn.v_proj.bias"},
    {"blk.*.attn_output.weight", "model.layers.*.self_attn.o_proj.weight"},
    {"blk.*.attn_output.bias", "model.layers.*.self_attn.o_proj.bias"},
    {"blk.*.ffn_norm.weight", "model.layers.*.post_attention_layernorm.weight"},
    {"blk.*.ffn_gate.weight", "model.layers.*.mlp.gate_proj.weight"},
    {"blk.*.ffn_gate.bias", "model.layers.*.mlp.gate_proj.bias"},
    {"blk.*.ffn_up.weight", "model.layers.*.mlp.up_proj.weight"},
    {"blk.*.ffn_up.bias", "model.layers.*.mlp.up_proj.bias"},
    {"blk.*.ffn_down.weight", "model.layers.*.mlp.down_proj.weight"},
    {"blk.*.ffn_down.bias", "model.layers.*.mlp.down_proj.bias"},
});

// The converters of llama.cpp put the rows of these into the order of its rotary embedding.
constexpr auto kLlamaRules = joined(
    kDecoderRules,
    std::to_array<KeyRule>({
        {"blk.*.attn_q.weight", "model.layers.*.self_attn.q_proj.weight", Op::PermuteRope, "num_attention_heads"},
        {"blk.*.attn_q.bias", "model.layers.*.self_attn.q_proj.bias", Op::PermuteRope, "num_attention_heads"},
        {"blk.*.attn_k.weight", "model.layers.*.self_attn.k_proj.weight", Op::PermuteRope, "num_key_value_heads"},
        {"blk.*.attn_k.bias", "model.layers.*.self_attn.k_proj.bias", Op::PermuteRope, "num_key_value_heads"},
    }));

constexpr auto kQwenRules =
    joined(kDecoderRules, std::to_array<KeyRule>({
                              {"blk.*.attn_q.weight", "model.layers.*.self_attn.q_proj.weight"},
                              {"blk.*.attn_q.bias", "model.layers.*.self_attn.q_proj.bias"},
                              {"blk.*.attn_k.weight", "model.layers.*.self_attn.k_proj.weight"},
                              {"blk.*.attn_k.bias", "model.layers.*.self_attn.k_proj.bias"},
                              {"blk.*.attn_q_norm.weight", "model.layers.*.self_attn.q_norm.weight"},
                              {"blk.*.attn_k_norm.weight", "model.layers.*.self_attn.k_norm.weight"},
                          }));

constexpr auto kDecoderFields = std::to_array<GgufField>({
    {"context_length", "max_position_embeddings", GgufKind::Length},
    {"block_count", "num_hidden_layers", GgufKind::Layers},
    {"embedding_length", "hidden_size"},
    {"feed_forward_length", "intermediate_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads", GgufKind::Size, true},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", GgufKind::Positive},
    // The reference takes the rotary width for Llama's head and nothing for Qwen's (Qwen3: 128 whatever the file says).
    // The file states the width of a head, so it is read for all.
    {"rope.dimension_count", "head_dim", GgufKind::Size, true},
    {"attention.key_length", "head_dim", GgufKind::Size, true},
});

constexpr auto kMistralFields = joined(
    kDecoderFields, std::to_array<GgufField>({{"attention.sliding_window", "sliding_window", GgufKind::Length, true}}));

// The reference loads such files without their biases.
constexpr GgufFlag kLlamaFlags[] = {{"blk.0.attn_q.bias", "attention_bias"}, {"blk.0.ffn_up.bias", "mlp_bias"}};
constexpr GgufFlag kQwen3Flags[] = {{"blk.0.attn_q.bias", "attention_bias"}};

void finish_decoder(const GgufKeys& keys, Json& config) {
  constexpr int64_t kMostExperts = 1 << 20;
  if (const auto experts = keys.integer("expert_count", 0, kMostExperts).value_or(0); experts > 0)
    keys.impossible("expert_count", str(experts), "none: mixtures of experts are not supported");
  const int64_t heads = config.at("num_attention_heads").as_int(), hidden = config.at("hidden_size").as_int();
  // The format's default; the reference's is a number of its own for each architecture.
  if (!config.contains("num_key_value_heads")) config["num_key_value_heads"] = heads;
  const int64_t kv_heads = config.at("num_key_value_heads").as_int();
  if (heads % kv_heads != 0)
    keys.impossible("attention.head_count_kv", str(kv_heads), str("a divisor of the ", heads, " heads"));
  if (!config.contains("head_dim")) check_heads(keys, heads, hidden);
  const int64_t head_size = config.get("head_dim", hidden / heads);
  const auto* rotated = keys.find("rope.dimension_count");
  if (rotated && rotated->as_int() != head_size)
    keys.impossible("rope.dimension_count", str(rotated->as_int()),
                    str("the width of a head, ", head_size, ": rotating a part of it is not supported"));
  config["rope_parameters"] = gguf_rope_parameters(keys, head_size);
}

void state_decoder(GgufFields& fields) {
  const int64_t head_size = gguf_head_size(fields.config());
  for (const auto* suffix : {"rope.dimension_count", "attention.key_length", "attention.value_length"})
    fields.set(suffix, head_size);
  if (!fields.has("attention.head_count_kv"))
    fields.set("attention.head_count_kv", fields.integer("num_attention_heads"));
  state_gguf_rope(fields);
}

constexpr GgufAssumed kDecoderAssumed[] = {{"hidden_act", R"("silu"|"swish")"}, {"use_sliding_window", "false"}};

// GPT-2.

constexpr KeyRule kGPT2Rules[] = {
    {"token_embd.weight", "transformer.wte.weight"},
    {"position_embd.weight", "transformer.wpe.weight"},
    {"output_norm.weight", "transformer.ln_f.weight"},
    {"output_norm.bias", "transformer.ln_f.bias"},
    {"output.weight", "lm_head.weight"},
    {"blk.*.attn_norm.weight", "transformer.h.*.ln_1.weight"},
    {"blk.*.attn_norm.bias", "transformer.h.*.ln_1.bias"},
    {"blk.*.attn_qkv.weight", "transformer.h.*.attn.c_attn.weight", Op::Transpose},
    {"blk.*.attn_qkv.bias", "transformer.h.*.attn.c_attn.bias"},
    {"blk.*.attn_output.weight", "transformer.h.*.attn.c_proj.weight", Op::Transpose},
    {"blk.*.attn_output.bias", "transformer.h.*.attn.c_proj.bias"},
    {"blk.*.ffn_norm.weight", "transformer.h.*.ln_2.weight"},
    {"blk.*.ffn_norm.bias", "transformer.h.*.ln_2.bias"},
    {"blk.*.ffn_up.weight", "transformer.h.*.mlp.c_fc.weight", Op::Transpose},
    {"blk.*.ffn_up.bias", "transformer.h.*.mlp.c_fc.bias"},
    {"blk.*.ffn_down.weight", "transformer.h.*.mlp.c_proj.weight", Op::Transpose},
    {"blk.*.ffn_down.bias", "transformer.h.*.mlp.c_proj.bias"},
};

// The reference keeps the first two lengths under names that no model reads, and so refuses files whose lengths are not
// the defaults; here they count.
constexpr GgufField kGPT2Fields[] = {
    {"context_length", "n_ctx", GgufKind::Length},
    {"context_length", "n_positions", GgufKind::Length},
    {"feed_forward_length", "feed_forward_length", GgufKind::Size, true},
    {"block_count", "n_layer", GgufKind::Layers},
    {"embedding_length", "n_embd"},
    {"attention.head_count", "n_head"},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", GgufKind::Positive},
};

void finish_gpt2(const GgufKeys& keys, Json& config) {
  const int64_t width = config.at("n_embd").as_int();
  check_heads(keys, config.at("n_head").as_int(), width);
  const int64_t inner = config.get("feed_forward_length", 4 * width);
  if (inner != 4 * width) config["n_inner"] = inner;
}

void state_gpt2(GgufFields& fields) {
  fields.set("feed_forward_length", fields.find("n_inner") ? fields.integer("n_inner") : 4 * fields.integer("n_embd"));
}

constexpr GgufAssumed kGPT2Assumed[] = {{"activation_function", R"("gelu_new"|"gelu_pytorch_tanh")"},
                                        {"scale_attn_weights", "true"},
                                        {"scale_attn_by_inverse_layer_idx", "false"},
                                        {"add_cross_attention", "false"}};

// T5. A feed-forward block with a gate has wi_0 and wi_1, one without has wi: the model knows which of the two it has.

constexpr KeyRule kT5Rules[] = {
    {"token_embd.weight", "shared.weight"},
    {"output.weight", "lm_head.weight"},
    {"enc.output_norm.weight", "encoder.final_layer_norm.weight"},
    {"enc.blk.*.attn_norm.weight", "encoder.block.*.layer.0.layer_norm.weight"},
    {"enc.blk.*.attn_q.weight", "encoder.block.*.layer.0.SelfAttention.q.weight"},
    {"enc.blk.*.attn_k.weight", "encoder.block.*.layer.0.SelfAttention.k.weight"},
    {"enc.blk.*.attn_v.weight", "encoder.block.*.layer.0.SelfAttention.v.weight"},
    {"enc.blk.*.attn_o.weight", "encoder.block.*.layer.0.SelfAttention.o.weight"},
    {"enc.blk.*.attn_rel_b.weight", "encoder.block.*.layer.0.SelfAttention.relative_attention_bias.weight"},
    {"enc.blk.*.ffn_norm.weight", "encoder.block.*.layer.1.layer_norm.weight"},
    {"enc.blk.*.ffn_gate.weight", "encoder.block.*.layer.1.DenseReluDense.wi_0.weight"},
    {"enc.blk.*.ffn_up.weight", "encoder.block.*.layer.1.DenseReluDense.wi_1.weight"},
    {"enc.blk.*.ffn_up.weight", "encoder.block.*.layer.1.DenseReluDense.wi.weight"},
    {"enc.blk.*.ffn_down.weight", "encoder.block.*.layer.1.DenseReluDense.wo.weight"},
    {"dec.output_norm.weight", "decoder.final_layer_norm.weight"},
    {"dec.blk.*.attn_norm.weight", "decoder.block.*.layer.0.layer_norm.weight"},
    {"dec.blk.*.attn_q.weight", "decoder.block.*.layer.0.SelfAttention.q.weight"},
    {"dec.blk.*.attn_k.weight", "decoder.block.*.layer.0.SelfAttention.k.weight"},
    {"dec.blk.*.attn_v.weight", "decoder.block.*.layer.0.SelfAttention.v.weight"},
    {"dec.blk.*.attn_o.weight", "decoder.block.*.layer.0.SelfAttention.o.weight"},
    {"dec.blk.*.attn_rel_b.weight", "decoder.block.*.layer.0.SelfAttention.relative_attention_bias.weight"},
    {"dec.blk.*.cross_attn_norm.weight", "decoder.block.*.layer.1.layer_norm.weight"},
    {"dec.blk.*.cross_attn_q.weight", "decoder.block.*.layer.1.EncDecAttention.q.weight"},
    {"dec.blk.*.cross_attn_k.weight", "decoder.block.*.layer.1.EncDecAttention.k.weight"},
    {"dec.blk.*.cross_attn_v.weight", "decoder.block.*.layer.1.EncDecAttention.v.weight"},
    {"dec.blk.*.cross_attn_o.weight", "decoder.block.*.layer.1.EncDecAttention.o.weight"},
    {"dec.blk.*.ffn_norm.weight", "decoder.block.*.layer.2.layer_norm.weight"},
    {"dec.blk.*.ffn_gate.weight", "decoder.block.*.layer.2.DenseReluDense.wi_0.weight"},
    {"dec.blk.*.ffn_up.weight", "decoder.block.*.layer.2.DenseReluDense.wi_1.weight"},
    {"dec.blk.*.ffn_up.weight", "decoder.block.*.layer.2.DenseReluDense.wi.weight"},
    {"dec.blk.*.ffn_down.weight", "decoder.block.*.layer.2.DenseReluDense.wo.weight"},
};

constexpr GgufField kT5Fields[] = {
    {"context_length", "n_positions", GgufKind::Length},
    {"block_count", "num_layers", GgufKind::Layers},
    {"decoder_block_count", "num_decoder_layers", GgufKind::Layers, true},  // the reference supposes as many as above
    {"feed_forward_length", "d_ff"},
    {"embedding_length", "d_model"},
    {"attention.key_length", "d_kv"},
    {"attention.head_count", "num_heads"},
    {"attention.head_count_kv", "num_key_value_heads", GgufKind::Size, true},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", GgufKind::Positive},
    {"attention.relative_buckets_count", "relative_attention_num_buckets"},
    {"decoder_start_token_id", "decoder_start_token_id", GgufKind::Token, true},
};

constexpr std::string_view kT5FeedForward = "feed_forward_proj";  // our own key; llama.cpp knows relu and gated-gelu

void finish_t5(const GgufKeys& keys, Json& config) {
  const auto& reader = keys.reader();
  if (reader.find("enc.blk.1.attn_rel_b.weight"))
    keys.refuse("has a relative position bias in every layer: this is UMT5, which is not supported");
  // The reference takes every file for a gated one and leaves the blocks of T5 1.0 without weights. Only files of ours
  // name the activation.
  const bool is_gated = reader.find("enc.blk.0.ffn_gate.weight") != nullptr;
  config["is_gated_act"] = is_gated;
  if (const auto kind = keys.text(kT5FeedForward)) {
    if (*kind != (is_gated ? "gated-gelu" : "relu"))
      keys.impossible(kT5FeedForward, quote(*kind), is_gated ? "gated-gelu" : "relu");
    config["feed_forward_proj"] = *kind;
  } else if (is_gated) {
    logging::warning(
        str(keys.full("feed_forward_proj"),
            " is not in the file, so that its gated feed-forward takes relu, as in the reference; most such "
            "models were trained with gelu: set feed_forward_proj to \"gated-gelu\" for them"));
  }
}

void state_t5(GgufFields& fields) {
  if (!fields.has("context_length")) fields.set("context_length", int64_t{512});  // no limit; the reference's default
  fields.set("attention.value_length", fields.integer("d_kv"));
  if (!fields.has("attention.head_count_kv")) fields.set("attention.head_count_kv", fields.integer("num_heads"));
  if (!fields.has("decoder_block_count")) fields.set("decoder_block_count", fields.integer("num_layers"));
  if (const auto* kind = fields.find("feed_forward_proj")) fields.set(kT5FeedForward, *kind);
  if (!fields.has("decoder_start_token_id"))
    fields.set("decoder_start_token_id", fields.config().get("pad_token_id", 0));
}

// llama.cpp computes a gated block with gelu, one without with relu.
constexpr GgufAssumed kT5Assumed[] = {{"feed_forward_proj", R"("relu"|"gated-gelu")"},
                                      {"relative_attention_max_distance", "128"}};

constexpr GgufArchitecture kArchitectures[] = {
    {.name = "gpt2",
     .model_type = "gpt2",
     .model_class = "GPT2LMHeadModel",
     .fields = kGPT2Fields,
     .rules = kGPT2Rules,
     .finish = finish_gpt2,
     .base_prefix = "transformer.",
     .assumed = kGPT2Assumed,
     .state = state_gpt2},
    // Converters write Mistral as "llama"; the reference tells it by a name of exactly this.
    {.name = "llama",
     .only_named = "mistral",
     .model_type = "mistral",
     .model_class = "MistralForCausalLM",
     .fields = kMistralFields,
     .rules = kLlamaRules,
     .finish = finish_decoder,
     .base_prefix = "model.",
     .assumed = kDecoderAssumed,
     .has_rope_factors = true,
     .state = state_decoder},
    {.name = "llama",
     .model_type = "llama",
     .model_class = "LlamaForCausalLM",
     .fields = kDecoderFields,
     .flags = kLlamaFlags,
     .rules = kLlamaRules,
     .finish = finish_decoder,
     .base_prefix = "model.",
     .assumed = kDecoderAssumed,
     .has_rope_factors = true,
     .state = state_decoder},
    {.name = "mistral",
     .model_type = "mistral",
     .model_class = "MistralForCausalLM",
     .fields = kMistralFields,
     .rules = kLlamaRules,
     .finish = finish_decoder,
     .base_prefix = "model.",
     .assumed = kDecoderAssumed,
     .state = state_decoder},
    {.name = "qwen2",
     .model_type = "qwen2",
     .model_class = "Qwen2ForCausalLM",
     .fields = kDecoderFields,
     .rules = kQwenRules,
     .finish = finish_decoder,
     .base_prefix = "model.",
     .assumed = kDecoderAssumed,
     .state = state_decoder},
    {.name = "qwen3",
     .model_type = "qwen3",
     .model_class = "Qwen3ForCausalLM",
     .fields = kDecoderFields,
     .flags = kQwen3Flags,
     .rules = kQwenRules,
     .finish = finish_decoder,
     .base_prefix = "model.",
     .assumed = kDecoderAssumed,
     .state = state_decoder},
    {.name = "t5",
     .model_type = "t5",
     .model_class = "T5ForConditionalGeneration",
     .fields = kT5Fields,
     .rules = kT5Rules,
     .finish = finish_t5,
     .assumed = kT5Assumed,
     .state = state_t5},
    {.name = "t5encoder",
     .model_type = "t5",
     .model_class = "T5EncoderModel",
     .fields = kT5Fields,
     .rules = kT5Rules,
     .finish = finish_t5,
     .assumed = kT5Assumed,
     .state = state_t5},
};

}  // namespace

std::span<const GgufField> gguf_token_fields() {
  static constexpr GgufField kFields[] = {
      {"tokenizer.ggml.bos_token_id", "bos_token_id", GgufKind::Token, true},
      {"tokenizer.ggml.eos_token_id", "eos_token_id", GgufKind::Token, true},
      {"tokenizer.ggml.unknown_token_id", "unk_token_id", GgufKind::Token, true},
      {"tokenizer.ggml.padding_token_id", "pad_token_id", GgufKind::Token, true},
  };
  return kFields;
}

std::span<const GgufArchitecture> gguf_architectures() { return kArchitectures; }

}  // namespace transformers::detail
