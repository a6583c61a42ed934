#include "transformers/models/qwen3.h"

#include "transformers/modeling/pre_norm_options.h"

namespace transformers {

void Qwen3Config::finish(std::string_view where) {
  if (!num_key_value_heads) num_key_value_heads = num_attention_heads;
  if (!head_dim) head_dim = hidden_size / num_attention_heads;
  if (!use_sliding_window) sliding_window.reset();
  if (layer_types.empty()) layer_types = default_layer_types(num_hidden_layers, sliding_window, max_window_layers);
  standardize_rope(*this, rope_parameters, 10000.0, max_position_embeddings, where);
}

static PreNormDecoderOptions qwen3_options(const std::shared_ptr<Qwen3Config>& config) {
  auto o = pre_norm_options(config, "Qwen3DecoderLayer");
  const auto& c = *config;
  o.model.windows = layer_windows(c.layer_types, c.sliding_window, c.num_hidden_layers);
  o.layer.attention.bias = o.layer.attention.output_bias = c.attention_bias;
  o.layer.attention.qk_norm_eps = c.rms_norm_eps;
  return o;
}

Qwen3Model::Qwen3Model(const std::shared_ptr<Qwen3Config>& c) : DecoderModel(c, qwen3_options(c)) { post_init(); }

constinit const Architecture qwen3_architecture{
    .model_type = "qwen3",
    .config = make_config<Qwen3Config>,
    .classes = {model_class<Qwen3Model>("Qwen3Model", Task::Base),
                model_class<Qwen3ForCausalLM>("Qwen3ForCausalLM", Task::CausalLM, kDecoderTies, true),
                model_class<Qwen3ForSequenceClassification>("Qwen3ForSequenceClassification",
                                                            Task::SequenceClassification),
                model_class<Qwen3ForTokenClassification>("Qwen3ForTokenClassification", Task::TokenClassification),
                model_class<Qwen3ForQuestionAnswering>("Qwen3ForQuestionAnswering", Task::QuestionAnswering, {}, false,
                                                       "transformer")},
    .no_split = {"Qwen3DecoderLayer"},
    .ignore_unexpected = {"**.rotary_emb.inv_freq"},
};

}  // namespace transformers
