#include "transformers/models/qwen2.h"

#include "transformers/modeling/pre_norm_options.h"

namespace transformers {

void Qwen2Config::finish(std::string_view where) {
  if (!num_key_value_heads) num_key_value_heads = num_attention_heads;
  if (!head_dim) head_dim = hidden_size / num_attention_heads;
  if (!use_sliding_window) sliding_window.reset();
  if (layer_types.empty()) layer_types = default_layer_types(num_hidden_layers, sliding_window, max_window_layers);
  standardize_rope(*this, rope_parameters, 10000.0, max_position_embeddings, where);
}

static PreNormDecoderOptions qwen2_options(const std::shared_ptr<Qwen2Config>& config) {
  auto o = pre_norm_options(config, "Qwen2DecoderLayer");
  const auto& c = *config;
  o.model.windows = layer_windows(c.layer_types, c.sliding_window, c.num_hidden_layers);
  o.layer.attention.bias = true;
  return o;
}

Qwen2Model::Qwen2Model(const std::shared_ptr<Qwen2Config>& c) : DecoderModel(c, qwen2_options(c)) { post_init(); }

constinit const Architecture qwen2_architecture{
    .model_type = "qwen2",
    .config = make_config<Qwen2Config>,
    .classes = {model_class<Qwen2Model>("Qwen2Model", Task::Base),
                model_class<Qwen2ForCausalLM>("Qwen2ForCausalLM", Task::CausalLM, kDecoderTies, true),
                model_class<Qwen2ForSequenceClassification>("Qwen2ForSequenceClassification",
                                                            Task::SequenceClassification),
                model_class<Qwen2ForTokenClassification>("Qwen2ForTokenClassification", Task::TokenClassification),
                model_class<Qwen2ForQuestionAnswering>("Qwen2ForQuestionAnswering", Task::QuestionAnswering, {}, false,
                                                       "transformer")},
    .no_split = {"Qwen2DecoderLayer"},
    .ignore_unexpected = {"**.rotary_emb.inv_freq"},
};

}  // namespace transformers
