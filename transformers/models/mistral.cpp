#include "transformers/models/mistral.h"

#include "transformers/modeling/pre_norm_options.h"

namespace transformers {

void MistralConfig::finish(std::string_view where) {
  if (!num_key_value_heads) num_key_value_heads = num_attention_heads;
  if (!head_dim) head_dim = hidden_size / num_attention_heads;
  standardize_rope(*this, rope_parameters, 10000.0, max_position_embeddings, where);
}

static PreNormDecoderOptions mistral_options(const std::shared_ptr<MistralConfig>& config) {
  auto o = pre_norm_options(config, "MistralDecoderLayer");
  const auto& c = *config;
  if (c.sliding_window) o.model.windows.assign(static_cast<size_t>(c.num_hidden_layers), c.sliding_window);
  return o;
}

MistralModel::MistralModel(const std::shared_ptr<MistralConfig>& c) : DecoderModel(c, mistral_options(c)) {
  post_init();
}

constinit const Architecture mistral_architecture{
    .model_type = "mistral",
    .config = make_config<MistralConfig>,
    .classes = {model_class<MistralModel>("MistralModel", Task::Base),
                model_class<MistralForCausalLM>("MistralForCausalLM", Task::CausalLM, kDecoderTies, true),
                model_class<MistralForSequenceClassification>("MistralForSequenceClassification",
                                                              Task::SequenceClassification),
                model_class<MistralForTokenClassification>("MistralForTokenClassification", Task::TokenClassification),
                model_class<MistralForQuestionAnswering>("MistralForQuestionAnswering", Task::QuestionAnswering, {},
                                                         false, "")},
    .no_split = {"MistralDecoderLayer"},
    .ignore_unexpected = {"**.rotary_emb.inv_freq"},
};

}  // namespace transformers
