#include "transformers/models/bert.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros_like.h>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/losses.h"
#include "transformers/nn/encoder_attention.h"
#include "transformers/nn/masks.h"

namespace transformers {

// Words, positions and segments, summed and normed. Reference: BertEmbeddings.
class BertEmbeddings final : public nn::Module {
 public:
  explicit BertEmbeddings(const BertConfig& c)
      : word_embeddings(child<nn::Embedding>(
            "word_embeddings", {.count = c.vocab_size, .size = c.hidden_size, .padding = c.pad_token_id})),
        position_embeddings(
            child<nn::Embedding>("position_embeddings", {.count = c.max_position_embeddings, .size = c.hidden_size})),
        token_type_embeddings(
            child<nn::Embedding>("token_type_embeddings", {.count = c.type_vocab_size, .size = c.hidden_size})),
        LayerNorm(child<nn::LayerNorm>("LayerNorm", {.size = c.hidden_size, .eps = c.layer_norm_eps})),
        dropout(child<nn::Dropout>("dropout", {.p = c.hidden_dropout_prob})) {
    constexpr int64_t kMostPositions = 100'000'000;  // the buffers are real even on meta
    if (c.max_position_embeddings > kMostPositions)
      throw ValueError(
          str("max_position_embeddings is ", c.max_position_embeddings, ", expected at most ", kMostPositions));
    const auto positions = at::arange(c.max_position_embeddings, at::kLong).unsqueeze(0);
    buffer("position_ids", &position_ids, positions, false);
    buffer("token_type_ids", &token_type_ids, at::zeros_like(positions), false);
  }

  at::Tensor forward(const ModelInputs& in, int64_t past) {
    const auto words = in.inputs_embeds.defined() ? in.inputs_embeds : word_embeddings(in.input_ids);
    const int64_t tokens = words.size(1);
    if (!in.position_ids.defined() && past + tokens > position_ids.size(1))
      throw ValueError(str("the input has ", past + tokens, " tokens, the model has max_position_embeddings ",
                           position_ids.size(1), "; shorten the input"));
    const auto positions = in.position_ids.defined() ? in.position_ids : position_ids.narrow(1, past, tokens);
    const auto types = in.token_type_ids.defined() ? in.token_type_ids : token_type_ids.narrow(1, 0, tokens);
    return dropout(LayerNorm(words + token_type_embeddings(types) + position_embeddings(positions)));
  }

 private:
  nn::Ref<nn::Embedding> word_embeddings, position_embeddings, token_type_embeddings;
  nn::Ref<nn::LayerNorm> LayerNorm;
  nn::Ref<nn::Dropout> dropout;
  at::Tensor position_ids, token_type_ids;  // (1, max_position_embeddings)
};

namespace {

// Projection, residual, norm: the end of both halves of a layer. Reference: BertSelfOutput, BertOutput.
class BertOutput final : public nn::Module {
 public:
  BertOutput(const BertConfig& c, int64_t in)
      : dense(child<nn::Linear>("dense", {.in = in, .out = c.hidden_size})),
        LayerNorm(child<nn::LayerNorm>("LayerNorm", {.size = c.hidden_size, .eps = c.layer_norm_eps})),
        dropout(child<nn::Dropout>("dropout", {.p = c.hidden_dropout_prob})) {}

  at::Tensor forward(const at::Tensor& x, const at::Tensor& residual) {
    return LayerNorm(dropout(dense(x)) + residual);
  }

 private:
  nn::Ref<nn::Linear> dense;
  nn::Ref<nn::LayerNorm> LayerNorm;
  nn::Ref<nn::Dropout> dropout;
};

class BertAttention final : public nn::Module {
 public:
  BertAttention(const BertConfig& c, int64_t index, bool is_cross)
      : self(child<nn::EncoderAttention>("self",
                                         {.hidden = c.hidden_size,
                                          .heads = c.num_attention_heads,
                                          .dropout = c.attention_probs_dropout_prob,
                                          .is_cross = is_cross},
                                         index)),
        output(child_of<BertOutput>("output", c, c.hidden_size)) {}

  at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) { return output(self(x, context), x); }

 private:
  nn::Ref<nn::EncoderAttention> self;
  nn::Ref<BertOutput> output;
};

}  // namespace

// Post-norm residual block. Reference: BertLayer.
class BertLayer final : public nn::Module {
 public:
  BertLayer(const BertConfig& c, int64_t index)
      : attention(child_of<BertAttention>("attention", c, index, false)), chunk_size_(c.chunk_size_feed_forward) {
    if (c.add_cross_attention && !c.is_decoder)
      throw ValueError("the config sets add_cross_attention without is_decoder; set both or none");
    if (c.add_cross_attention) crossattention = child_of<BertAttention>("crossattention", c, index, true);
    intermediate = child<nn::DenseActivation>(
        "intermediate", {.in = c.hidden_size, .out = c.intermediate_size, .activation = c.hidden_act});
    output = child_of<BertOutput>("output", c, c.intermediate_size);
  }

  at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) {
    auto attended = attention(x, context);
    if (context.encoder_hidden_states.defined()) {
      if (!crossattention)
        throw ValueError(
            "encoder_hidden_states are given to a model without cross-attention; set add_cross_attention "
            "in its config");
      attended = crossattention(attended, context);
    }
    return nn::in_chunks(attended, chunk_size_, [&](const at::Tensor& y) { return output(intermediate(y), y); });
  }

 private:
  nn::Ref<BertAttention> attention, crossattention;
  nn::Ref<nn::DenseActivation> intermediate;
  nn::Ref<BertOutput> output;
  int64_t chunk_size_;
};

namespace {

class BertEncoder final : public nn::Module {
 public:
  explicit BertEncoder(const BertConfig& c)
      : layer(children("layer", c.num_hidden_layers,
                       [&](int64_t index) { return std::make_shared<BertLayer>(c, index); })) {}
  std::vector<nn::Ref<BertLayer>> layer;
};

// Logits over the vocabulary; the decoder's weight is the word embeddings, its bias is `bias`.
class BertLMPredictionHead final : public nn::Module {
 public:
  explicit BertLMPredictionHead(const BertConfig& c)
      : transform(child<nn::DenseActivation>(
            "transform",
            {.in = c.hidden_size, .out = c.hidden_size, .activation = c.hidden_act, .norm_eps = c.layer_norm_eps})),
        decoder(child<nn::Linear>("decoder", {.in = c.hidden_size, .out = c.vocab_size})) {
    parameter("bias", &bias, {c.vocab_size});
  }

  at::Tensor forward(const at::Tensor& x) { return decoder(transform(x)); }
  at::Tensor bias;

 private:
  nn::Ref<nn::DenseActivation> transform;
  nn::Ref<nn::Linear> decoder;
};

constexpr Few<TiedWeight> kBertTies = {{"cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
                                       {"cls.predictions.decoder.bias", "cls.predictions.bias"}};

}  // namespace

// Reference: BertOnlyMLMHead, BertOnlyNSPHead, BertPreTrainingHeads.
class BertHeads final : public nn::Module {
 public:
  BertHeads(const BertConfig& c, bool has_predictions, bool has_seq_relationship) {
    if (has_predictions) predictions = child_of<BertLMPredictionHead>("predictions", c);
    if (has_seq_relationship) seq_relationship = child<nn::Linear>("seq_relationship", {.in = c.hidden_size, .out = 2});
  }
  nn::Ref<BertLMPredictionHead> predictions;
  nn::Ref<nn::Linear> seq_relationship;
};

HeadOptions BertModel::head_options(const BertConfig& c) {
  return {
      .body_name = "bert", .hidden = c.hidden_size, .dropout = c.classifier_dropout.value_or(c.hidden_dropout_prob)};
}

std::shared_ptr<BertModel> BertModel::make(const std::shared_ptr<BertConfig>& c, Json& arguments) {
  const bool pooler = arguments.get("add_pooling_layer", true);
  arguments.erase("add_pooling_layer");
  return std::make_shared<BertModel>(c, pooler);
}

BertModel::BertModel(const std::shared_ptr<BertConfig>& c, bool add_pooling_layer)
    : PreTrainedModel(c),
      is_decoder_(c->is_decoder),
      embeddings(child_of<BertEmbeddings>("embeddings", *c)),
      layers_(child_of<BertEncoder>("encoder", *c)->layer) {
  if (add_pooling_layer)
    pooler = child<nn::DenseActivation>("pooler", {.in = c->hidden_size, .out = c->hidden_size, .activation = "tanh"});
  post_init();
}

void BertModel::add_masks(nn::LayerContext& context, const at::Tensor& x, const ModelInputs& in) const {
  if (!is_decoder_) {
    context.mask = nn::bidirectional_mask(in.attention_mask, x.scalar_type());
    return;
  }
  const int64_t queries = x.size(1);
  const auto mask = nn::causal_mask(
      in.attention_mask,
      {.queries = queries,
       .past = context.cache ? context.cache->length() : 0,
       .keys = context.cache ? context.cache->extent(0, queries) : nn::CacheLayer::Extent{.keys = queries, .first = 0},
       .dtype = x.scalar_type(),
       .device = x.device(),
       .may_skip = attends_with_sdpa()});
  context.mask = mask.additive;
  context.is_causal = mask.is_causal;
  context.encoder_hidden_states = in.encoder_hidden_states;
  context.encoder_mask = nn::bidirectional_mask(in.encoder_attention_mask, x.scalar_type());
}

ModelOutput BertModel::run(const ModelInputs& in) {
  if (in.input_ids.defined() == in.inputs_embeds.defined())
    throw ValueError(str(model_class().name, ": give exactly one of input_ids and inputs_embeds"));
  const bool use_cache = is_decoder_ && *in.use_cache;
  auto cache = in.past_key_values;
  if (!cache && use_cache) cache = make_cache();
  auto x = embeddings(in, cache ? cache->length() : 0);
  ModelOutput output;
  nn::LayerContext context{.attend = attend(), .cache = cache.get()};
  add_masks(context, x, in);
  if (*in.output_attentions) {
    context.attentions = &output.attentions;
    context.cross_attentions = &output.cross_attentions;
  }
  for (const auto& layer : layers_) {
    if (*in.output_hidden_states) output.hidden_states.push_back(x);
    x = layer(x, context);
  }
  if (*in.output_hidden_states) output.hidden_states.push_back(x);
  if (pooler) output.pooler_output = pooler(x.select(1, 0));
  output.last_hidden_state = x;
  if (use_cache) output.past_key_values = cache;
  return output;
}

BertWithCls::BertWithCls(const std::shared_ptr<BertConfig>& c, const Parts& parts)
    : EncoderWithHead(c, BertModel::head_options(*given<BertWithCls>(c)), std::make_shared<BertModel>(c, parts.pooler)),
      cls(child_of<BertHeads>("cls", *c, parts.predictions, parts.seq_relationship)) {}

void BertWithCls::_init_weights(torch::nn::Module& module) {
  PreTrainedModel::_init_weights(module);
  if (auto* head = dynamic_cast<BertLMPredictionHead*>(&module); head && !head->bias.is_meta()) head->bias.zero_();
}

BertForPreTraining::BertForPreTraining(const std::shared_ptr<BertConfig>& c)
    : BertWithCls(c, {.pooler = true, .predictions = true, .seq_relationship = true}) {
  post_init();
}

ModelOutput BertForPreTraining::run(const ModelInputs& in) {
  ModelOutput output;
  const auto encoded = encode(in, output);
  output.prediction_logits = cls->predictions(encoded.last_hidden_state);
  output.seq_relationship_logits = cls->seq_relationship(encoded.pooler_output);
  if (in.labels.defined() && in.next_sentence_label.defined())
    output.loss = token_loss(output.prediction_logits, in.labels) +
                  token_loss(output.seq_relationship_logits, in.next_sentence_label);
  return output;
}

BertLMHeadModel::BertLMHeadModel(const std::shared_ptr<BertConfig>& c) : BertWithCls(c, {.predictions = true}) {
  if (!c->is_decoder)
    logging::warning("BertLMHeadModel sees later tokens unless its config sets is_decoder; set it to generate text");
  post_init();
}

ModelOutput BertLMHeadModel::run(const ModelInputs& in) {
  auto inputs = in;
  if (in.labels.defined()) inputs.use_cache = false;
  ModelOutput output;
  auto encoded = encode(inputs, output);
  output.past_key_values = encoded.past_key_values;
  output.cross_attentions = std::move(encoded.cross_attentions);
  const auto& x = encoded.last_hidden_state;
  output.logits = cls->predictions(in.logits_to_keep > 0 ? x.slice(1, -in.logits_to_keep) : x);
  if (in.labels.defined()) output.loss = causal_lm_loss(output.logits, in.labels);
  return output;
}

BertForMaskedLM::BertForMaskedLM(const std::shared_ptr<BertConfig>& c) : BertWithCls(c, {.predictions = true}) {
  if (c->is_decoder)
    logging::warning("BertForMaskedLM does not see later tokens while its config sets is_decoder; set it to false");
  post_init();
}

ModelOutput BertForMaskedLM::run(const ModelInputs& in) {
  ModelOutput output;
  output.logits = cls->predictions(encode(in, output).last_hidden_state);
  if (in.labels.defined()) output.loss = token_loss(output.logits, in.labels);
  return output;
}

BertForNextSentencePrediction::BertForNextSentencePrediction(const std::shared_ptr<BertConfig>& c)
    : BertWithCls(c, {.pooler = true, .seq_relationship = true}) {
  post_init();
}

ModelOutput BertForNextSentencePrediction::run(const ModelInputs& in) {
  ModelOutput output;
  output.logits = cls->seq_relationship(encode(in, output).pooler_output);
  if (in.labels.defined()) output.loss = token_loss(output.logits, in.labels);
  return output;
}

constinit const Architecture bert_architecture{
    .model_type = "bert",
    .base_model_prefix = "bert",
    .config = make_config<BertConfig>,
    .classes = {model_class<BertModel>("BertModel", Task::Base),
                model_class<BertForPreTraining>("BertForPreTraining", Task::PreTraining, kBertTies),
                model_class<BertLMHeadModel>("BertLMHeadModel", Task::CausalLM, kBertTies, true),
                model_class<BertForMaskedLM>("BertForMaskedLM", Task::MaskedLM, kBertTies),
                model_class<BertForNextSentencePrediction>("BertForNextSentencePrediction",
                                                           Task::NextSentencePrediction),
                model_class<BertForSequenceClassification>("BertForSequenceClassification",
                                                           Task::SequenceClassification),
                model_class<BertForMultipleChoice>("BertForMultipleChoice", Task::MultipleChoice),
                model_class<BertForTokenClassification>("BertForTokenClassification", Task::TokenClassification),
                model_class<BertForQuestionAnswering>("BertForQuestionAnswering", Task::QuestionAnswering)},
    .no_split = {"BertEmbeddings", "BertLayer"},
};

}  // namespace transformers
