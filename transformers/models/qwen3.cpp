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

static PreNormDecoderOptions qwen3_options(Qwen3Config& c) {
  auto o = pre_norm_options(c);
  o.model.windows = layer_windows(c.layer_types, c.sliding_window, c.num_hidden_layers);
  o.layer.attention.bias = o.layer.attention.output_bias = c.attention_bias;
  o.layer.attention.qk_norm_eps = c.rms_norm_eps;
  return o;
}

Qwen3Model::Qwen3Model(const std::shared_ptr<Qwen3Config>& c) : DecoderModel(c, qwen3_options(*c)) { post_init(); }

Qwen3ForCausalLM::Qwen3ForCausalLM(const std::shared_ptr<Qwen3Config>& c)
    : ForCausalLM(c, std::make_shared<Qwen3Model>(c)) {
  post_init();
}

Qwen3ForSequenceClassification::Qwen3ForSequenceClassification(const std::shared_ptr<Qwen3Config>& c)
    : DecoderForSequenceClassification(c, std::make_shared<Qwen3Model>(c)) {
  post_init();
}

Qwen3ForTokenClassification::Qwen3ForTokenClassification(const std::shared_ptr<Qwen3Config>& c)
    : DecoderForTokenClassification(c, std::make_shared<Qwen3Model>(c)) {
  post_init();
}

Qwen3ForQuestionAnswering::Qwen3ForQuestionAnswering(const std::shared_ptr<Qwen3Config>& c)
    : DecoderForQuestionAnswering(c, std::make_shared<Qwen3Model>(c), "transformer") {
  post_init();
}

constinit const Architecture qwen3_architecture{
    .model_type = "qwen3",
    .config = make_config<Qwen3Config>,
    .classes = {model_class<Qwen3Model, Qwen3Config>("Qwen3Model", Task::Base),
                model_class<Qwen3ForCausalLM, Qwen3Config>("Qwen3ForCausalLM", Task::CausalLM, kDecoderTies, true),
                model_class<Qwen3ForSequenceClassification, Qwen3Config>("Qwen3ForSequenceClassification",
                                                                         Task::SequenceClassification),
                model_class<Qwen3ForTokenClassification, Qwen3Config>("Qwen3ForTokenClassification",
                                                                      Task::TokenClassification),
                model_class<Qwen3ForQuestionAnswering, Qwen3Config>("Qwen3ForQuestionAnswering",
                                                                    Task::QuestionAnswering, {}, false, "transformer")},
    .no_split = {"Qwen3DecoderLayer"},
    .ignore_unexpected = {"**.rotary_emb.inv_freq"},
};

}  // namespace transformers
