#include "transformers/models/t5.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>

#include <cmath>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/decoder_heads.h"
#include "transformers/modeling/losses.h"
#include "transformers/nn/activations.h"
#include "transformers/nn/masks.h"
#include "transformers/nn/relative_attention.h"

namespace transformers {

std::span<const PretrainedConfig::Alias> T5Config::attribute_map() const {
  static constexpr Alias kAliases[] = {{"hidden_size", "d_model"},
                                       {"num_attention_heads", "num_heads"},
                                       {"num_hidden_layers", "num_layers"},
                                       {"head_dim", "d_kv"}};
  return kAliases;
}

std::span<const Constraint> T5Config::constraints() const {
  // Half of the buckets are for one direction, half of those for single distances, and logarithms are divided by.
  static constexpr Constraint kConstraints[] = {{.field = "relative_attention_num_buckets", .least = 4}};
  return kConstraints;
}

void T5Config::finish(std::string_view where) {
  const auto parts = split(feed_forward_proj, '-');
  if (parts.size() > 2 || (parts.size() == 2 && parts[0] != "gated"))
    throw ValueError(str(where, ": feed_forward_proj is ", quote(feed_forward_proj),
                         ", expected an activation or 'gated-' and an activation, such as 'relu' or 'gated-gelu'"));
  if (relative_attention_max_distance <= relative_attention_num_buckets / 2)
    throw ValueError(str(where, ": 'relative_attention_max_distance' is ", relative_attention_max_distance,
                         ", expected more than half of 'relative_attention_num_buckets', which is ",
                         relative_attention_num_buckets));
  if (!num_decoder_layers) num_decoder_layers = num_layers;
  if (!dense_act_fn) dense_act_fn = feed_forward_proj == "gated-gelu" ? "gelu_new" : std::string(parts.back());
  if (!is_gated_act) is_gated_act = parts.front() == "gated";
  // Files of v1.1 say that nothing is tied, which the reference reads as "do not scale" and ties all the same.
  if (!scale_decoder_outputs) scale_decoder_outputs = tie_word_embeddings;
  tie_word_embeddings = true;
}

// Mixed precision: x may be wider than the weights.
static at::Tensor t5_norm(const nn::Ref<nn::RMSNorm>& norm, const at::Tensor& x) {
  return norm(x).to(norm->weight.scalar_type());
}

// Checkpoints trained in bfloat16 overflow float16: infinities become large numbers.
static at::Tensor t5_finite(const at::Tensor& x) {
  constexpr double kLimit = 65504.0 - 1000.0;
  return x.scalar_type() == at::kHalf && x.isinf().any().item<bool>() ? x.clamp(-kLimit, kLimit) : x;
}

static nn::RelativeAttention::Options t5_attention(const T5Config& c, int64_t layer, bool is_decoder, bool is_cross) {
  return {.hidden = c.d_model,
          .heads = c.num_heads,
          .head_size = c.d_kv,
          .buckets = c.relative_attention_num_buckets,
          .max_distance = c.relative_attention_max_distance,
          .dropout = c.dropout_rate,
          .has_bias = layer == 0 && !is_cross,
          .is_bidirectional = !is_decoder,
          .is_cross = is_cross};
}

class T5LayerAttention final : public nn::Module {
 public:
  T5LayerAttention(const T5Config& c, int64_t layer, bool is_decoder, bool is_cross)
      : attention(child<nn::RelativeAttention>(is_cross ? "EncDecAttention" : "SelfAttention",
                                               t5_attention(c, layer, is_decoder, is_cross), layer)),
        layer_norm(child<nn::RMSNorm>("layer_norm", {.size = c.d_model, .eps = c.layer_norm_epsilon})),
        dropout(child<nn::Dropout>("dropout", {.p = c.dropout_rate})) {}
  at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) {
    return x + dropout(attention(t5_norm(layer_norm, x), context));
  }

 private:
  nn::Ref<nn::RelativeAttention> attention;
  nn::Ref<nn::RMSNorm> layer_norm;
  nn::Ref<nn::Dropout> dropout;
};

class T5Dense final : public nn::Module {
 public:
  explicit T5Dense(const T5Config& c) : act_(*c.dense_act_fn), activation_(nn::activation(act_)) {
    const nn::Linear::Options inward{.in = c.d_model, .out = c.d_ff, .bias = false};
    wi = child<nn::Linear>(*c.is_gated_act ? "wi_0" : "wi", inward);
    if (*c.is_gated_act) wi_1 = child<nn::Linear>("wi_1", inward);
    wo = child<nn::Linear>("wo", {.in = c.d_ff, .out = c.d_model, .bias = false});
    dropout = child<nn::Dropout>("dropout", {.p = c.dropout_rate});
  }
  at::Tensor forward(const at::Tensor& x) {
    const auto inner = dropout(wi_1 ? nn::gated_activation(act_, wi(x), wi_1(x)) : activation_(wi(x)));
    return wo(inner.to(wo->weight.scalar_type()));  // float32 in a float16 model
  }

 private:
  nn::Ref<nn::Linear> wi, wi_1, wo;
  nn::Ref<nn::Dropout> dropout;
  std::string act_;
  nn::Activation activation_;
};

class T5LayerFF final : public nn::Module {
 public:
  explicit T5LayerFF(const T5Config& c)
      : DenseReluDense(child_of<T5Dense>("DenseReluDense", c)),
        layer_norm(child<nn::RMSNorm>("layer_norm", {.size = c.d_model, .eps = c.layer_norm_epsilon})),
        dropout(child<nn::Dropout>("dropout", {.p = c.dropout_rate})) {}
  at::Tensor forward(const at::Tensor& x) { return x + dropout(DenseReluDense(t5_norm(layer_norm, x))); }

 private:
  nn::Ref<T5Dense> DenseReluDense;
  nn::Ref<nn::RMSNorm> layer_norm;
  nn::Ref<nn::Dropout> dropout;
};

class T5Block final : public nn::Module {
 public:
  T5Block(const T5Config& c, int64_t index, bool is_decoder) {
    const auto layer = register_module("layer", std::make_shared<nn::Module>());
    attention = layer->register_module("0", std::make_shared<T5LayerAttention>(c, index, is_decoder, false));
    if (is_decoder) cross = layer->register_module("1", std::make_shared<T5LayerAttention>(c, index, true, true));
    feed_forward = layer->register_module(is_decoder ? "2" : "1", std::make_shared<T5LayerFF>(c));
  }
  at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) {
    auto y = t5_finite(attention(x, context));
    if (cross && context.encoder_hidden_states.defined()) y = t5_finite(cross(y, context));
    return t5_finite(feed_forward(y));
  }

 private:
  nn::Ref<T5LayerAttention> attention, cross;
  nn::Ref<T5LayerFF> feed_forward;
};

// The encoder or the decoder: `inputs` are its own, decoder ids under input_ids.
class T5Stack final : public nn::Module {
 public:
  T5Stack(const T5Config& c, int64_t layers, bool is_decoder)
      : embed_tokens(child<nn::Embedding>("embed_tokens", {.count = c.vocab_size, .size = c.d_model})),
        block(children("block", layers, [&](int64_t i) { return std::make_shared<T5Block>(c, i, is_decoder); })),
        final_layer_norm(child<nn::RMSNorm>("final_layer_norm", {.size = c.d_model, .eps = c.layer_norm_epsilon})),
        dropout(child<nn::Dropout>("dropout", {.p = c.dropout_rate})),
        is_decoder_(is_decoder) {}

  ModelOutput forward(const ModelInputs& in, nn::AttentionFunction attend) {
    if (in.input_ids.defined() == in.inputs_embeds.defined())
      throw ValueError(is_decoder_ ? "T5: give exactly one of decoder_input_ids and decoder_inputs_embeds"
                                   : "T5: give exactly one of input_ids, inputs_embeds and encoder_outputs");
    auto x = dropout(in.inputs_embeds.defined() ? in.inputs_embeds : embed_tokens(in.input_ids));
    ModelOutput output;
    if (is_decoder_) output.past_key_values = in.past_key_values;
    if (is_decoder_ && !in.past_key_values && *in.use_cache) output.past_key_values = nn::dynamic_cache();
    auto context = make_context(x, in, output.past_key_values.get());
    context.attend = attend;
    if (*in.output_attentions) {
      context.attentions = &output.attentions;
      context.cross_attentions = &output.cross_attentions;
    }
    at::Tensor bias;
    context.new_position_bias = &bias;
    for (const auto& layer : block) {
      if (*in.output_hidden_states) output.hidden_states.push_back(x);
      x = layer(x, context);
      context.position_bias = bias;
    }
    output.last_hidden_state = dropout(t5_norm(final_layer_norm, x));
    if (*in.output_hidden_states) output.hidden_states.push_back(output.last_hidden_state);
    if (!*in.use_cache) output.past_key_values = nullptr;
    return output;
  }

 private:
  [[nodiscard]] nn::LayerContext make_context(const at::Tensor& x, const ModelInputs& in, nn::Cache* cache) const {
    const auto mask = [&](const at::Tensor& given) {
      return given.defined() && !nn::all_ones(given) ? nn::expand_mask(given, x.scalar_type()) : at::Tensor();
    };
    const int64_t queries = x.size(1), past = cache ? cache->length() : 0;
    nn::LayerContext context{.cache = cache, .encoder_hidden_states = in.encoder_hidden_states};
    if (!is_decoder_) {
      context.mask = mask(in.attention_mask);
      return context;
    }
    context.mask = nn::causal_mask(in.attention_mask,
                                   {.queries = queries,
                                    .past = past,
                                    .keys = cache ? cache->extent(0, queries) : nn::CacheLayer::Extent{queries, 0},
                                    .dtype = x.scalar_type(),
                                    .device = x.device()})
                       .additive;
    context.encoder_mask = mask(in.encoder_attention_mask);
    return context;
  }

  nn::Ref<nn::Embedding> embed_tokens;
  std::vector<nn::Ref<T5Block>> block;
  nn::Ref<nn::RMSNorm> final_layer_norm;
  nn::Ref<nn::Dropout> dropout;
  bool is_decoder_;
};

T5PreTrainedModel::T5PreTrainedModel(const std::shared_ptr<T5Config>& c) : PreTrainedModel(c), c_(c) {}

void T5PreTrainedModel::_init_weights(torch::nn::Module& module) {
  PreTrainedModel::_init_weights(module);
  const auto root = [](int64_t n) { return 1 / std::sqrt(static_cast<double>(n)); };
  const double model = root(c_->d_model), inner = root(c_->num_heads * c_->d_kv);
  const std::pair<std::string_view, double> deviations[] = {{"q", root(c_->d_model * c_->d_kv)},
                                                            {"k", model},
                                                            {"v", model},
                                                            {"o", inner},
                                                            {"relative_attention_bias", model},
                                                            {"wi", model},
                                                            {"wi_0", model},
                                                            {"wi_1", model},
                                                            {"wo", root(c_->d_ff)},
                                                            {"shared", 1.0},
                                                            {"qa_outputs", model},
                                                            {"classifier", 1.0},
                                                            {"dense", model},
                                                            {"out_proj", model}};
  for (const auto& child : module.named_children())
    for (const auto& [name, deviation] : deviations)
      if (child.key() == name)
        if (auto weight = child.value()->named_parameters(false)["weight"]; !weight.is_meta())
          weight.normal_(0.0, c_->initializer_factor * deviation);
  auto* norm = dynamic_cast<nn::RMSNorm*>(&module);
  if (norm && !norm->weight.is_meta()) norm->weight.fill_(c_->initializer_factor);
}

at::Tensor T5PreTrainedModel::shift_right(const at::Tensor& ids) const {
  const auto start = c_->get("decoder_start_token_id");
  if (!start.is_int() || !c_->pad_token_id)
    throw ValueError(
        "decoder inputs are made with decoder_start_token_id and pad_token_id, one of which the config lacks; set "
        "both, or "
        "give decoder_input_ids");
  const auto shifted = at::constant_pad_nd(ids, {1, -1}, start.as_int());
  return shifted.masked_fill(shifted.eq(-100), *c_->pad_token_id);
}

ModelInputs T5PreTrainedModel::with_decoder_inputs(const ModelInputs& in) const {
  ModelInputs out = in;
  if (in.decoder_input_ids.defined() || in.decoder_inputs_embeds.defined()) return out;
  if (!in.input_ids.defined())
    throw ValueError("T5: without decoder_input_ids and decoder_inputs_embeds, input_ids are needed to make them from");
  out.decoder_input_ids = shift_right(in.input_ids);
  return out;
}

T5Model::T5Model(const std::shared_ptr<T5Config>& c, Unfinished)
    : T5PreTrainedModel(c),
      shared(child<nn::Embedding>("shared", {.count = c->vocab_size, .size = c->d_model})),
      encoder(child_of<T5Stack>("encoder", *c, c->num_layers, /*is_decoder=*/false)),
      decoder(child_of<T5Stack>("decoder", *c, *c->num_decoder_layers, /*is_decoder=*/true)) {}

T5Model::T5Model(const std::shared_ptr<T5Config>& c) : T5Model(c, Unfinished()) { post_init(); }

ModelOutput T5Model::run(const ModelInputs& in) {
  ModelOutput encoded{.last_hidden_state = in.encoder_outputs};
  if (!in.encoder_outputs.defined())
    encoded = encoder(ModelInputs{.input_ids = in.input_ids,
                                  .attention_mask = in.attention_mask,
                                  .inputs_embeds = in.inputs_embeds,
                                  .use_cache = false,
                                  .output_hidden_states = in.output_hidden_states,
                                  .output_attentions = in.output_attentions},
                      attend());
  auto output = decoder(ModelInputs{.input_ids = in.decoder_input_ids,
                                    .attention_mask = in.decoder_attention_mask,
                                    .inputs_embeds = in.decoder_inputs_embeds,
                                    .encoder_hidden_states = encoded.last_hidden_state,
                                    .encoder_attention_mask = in.attention_mask,
                                    .past_key_values = in.past_key_values,
                                    .use_cache = in.use_cache,
                                    .output_hidden_states = in.output_hidden_states,
                                    .output_attentions = in.output_attentions},
                        attend());
  output.decoder_hidden_states = std::exchange(output.hidden_states, {});
  output.decoder_attentions = std::exchange(output.attentions, {});
  output.encoder_last_hidden_state = encoded.last_hidden_state;
  output.encoder_hidden_states = std::move(encoded.hidden_states);
  output.encoder_attentions = std::move(encoded.attentions);
  return output;
}

T5ForConditionalGeneration::T5ForConditionalGeneration(const std::shared_ptr<T5Config>& c)
    : T5Model(c, Unfinished()),
      lm_head(child<nn::Linear>("lm_head", {.in = c->d_model, .out = c->vocab_size, .bias = false})) {
  post_init();
}

ModelOutput T5ForConditionalGeneration::run(const ModelInputs& in) {
  ModelInputs inputs = in;
  if (in.labels.defined() && !in.decoder_input_ids.defined() && !in.decoder_inputs_embeds.defined())
    inputs.decoder_input_ids = shift_right(in.labels);
  auto output = T5Model::run(inputs);
  auto x = std::exchange(output.last_hidden_state, {});
  if (*c_->scale_decoder_outputs) x = x / std::sqrt(static_cast<double>(c_->d_model));
  output.logits = lm_head(x);
  if (in.labels.defined()) output.loss = token_loss(output.logits, in.labels);
  return output;
}

T5ForQuestionAnswering::T5ForQuestionAnswering(const std::shared_ptr<T5Config>& c)
    : T5Model(c, Unfinished()),
      qa_outputs(child<nn::Linear>("qa_outputs", {.in = c->d_model, .out = c->num_labels()})) {
  post_init();
}

ModelOutput T5ForQuestionAnswering::run(const ModelInputs& in) {
  if (qa_outputs->weight.size(0) != 2)
    throw ValueError(str("T5ForQuestionAnswering: the config has ", config->num_labels(), " labels, expected 2"));
  auto inputs = with_decoder_inputs(in);
  inputs.past_key_values = nullptr;
  if (in.start_positions.defined() && in.end_positions.defined()) inputs.use_cache = false;
  auto output = T5Model::run(inputs);
  auto span = span_output(qa_outputs(std::exchange(output.last_hidden_state, {})), in);
  output.start_logits = span.start_logits;
  output.end_logits = span.end_logits;
  output.loss = span.loss;
  return output;
}

static std::shared_ptr<T5Config> t5_encoder_only(const std::shared_ptr<T5Config>& c) {
  if (c) c->use_cache = c->is_encoder_decoder = false;
  return c;
}

T5EncoderModel::T5EncoderModel(const std::shared_ptr<T5Config>& c)
    : T5PreTrainedModel(t5_encoder_only(c)),
      shared(child<nn::Embedding>("shared", {.count = c->vocab_size, .size = c->d_model})),
      encoder(child_of<T5Stack>("encoder", *c, c->num_layers, /*is_decoder=*/false)) {
  post_init();
}

HeadOptions T5EncoderModel::head_options(const T5Config& c) {
  return {.body_name = "transformer", .hidden = c.d_model, .dropout = c.classifier_dropout};
}

ModelOutput T5EncoderModel::run(const ModelInputs& in) {
  if (*in.use_cache) throw ValueError("T5EncoderModel: use_cache is set, but only a decoder has a cache; leave it out");
  return encoder(in, attend());
}

struct T5ForSequenceClassification::Head final : nn::Module {
  explicit Head(const T5Config& c)
      : dense(child<nn::Linear>("dense", {.in = c.d_model, .out = c.d_model})),
        dropout(child<nn::Dropout>("dropout", {.p = c.classifier_dropout})),
        out_proj(child<nn::Linear>("out_proj", {.in = c.d_model, .out = c.num_labels()})) {}
  at::Tensor forward(const at::Tensor& x) { return out_proj(dropout(dense(dropout(x)).tanh())); }
  nn::Ref<nn::Linear> dense;
  nn::Ref<nn::Dropout> dropout;
  nn::Ref<nn::Linear> out_proj;
};

T5ForSequenceClassification::T5ForSequenceClassification(const std::shared_ptr<T5Config>& c)
    : T5PreTrainedModel(c),
      transformer(child_of<T5Model>("transformer", c)),
      classification_head(child_of<Head>("classification_head", *c)) {
  post_init();
}

// The state at the last end-of-sequence token of each row: (batch, tokens, hidden) → (batch, hidden).
static at::Tensor t5_at_end(const at::Tensor& x, const at::Tensor& ids, const T5Config& c) {
  const auto ends = token_ids(c.eos_token_id, "eos_token_id");
  if (ends.size() != 1) throw ValueError(str("T5: the config has ", ends.size(), " eos_token_ids, expected one"));
  if (x.size(1) != ids.size(1))
    throw ValueError(str("T5: the decoder has ", x.size(1), " tokens, expected as many as input_ids, ", ids.size(1)));
  const auto is_end = ids.eq(ends[0]).to(at::kLong);
  const auto counts = is_end.sum(1);
  if (counts.min().item<int64_t>() < 1 || counts.min().item<int64_t>() != counts.max().item<int64_t>())
    throw ValueError(
        str("T5: every row of input_ids must hold the eos_token_id ", ends[0], " as often, at least once"));
  const auto last = (is_end * at::arange(1, ids.size(1) + 1, is_end.options())).argmax(1).to(x.device());
  return x.gather(1, last.view({-1, 1, 1}).expand({-1, 1, x.size(2)})).squeeze(1);
}

ModelOutput T5ForSequenceClassification::run(const ModelInputs& in) {
  if (!in.input_ids.defined())
    throw NotImplementedError("T5ForSequenceClassification needs input_ids to find the end of each sequence");
  auto inputs = with_decoder_inputs(in);
  inputs.past_key_values = nullptr;
  if (in.labels.defined()) inputs.use_cache = false;
  auto output = transformer(inputs);
  output.logits = classification_head(t5_at_end(std::exchange(output.last_hidden_state, {}), in.input_ids, *c_));
  if (in.labels.defined()) output.loss = sequence_loss(*config, output.logits, in.labels);
  return output;
}

static constexpr ModelClass t5_encoder_class(ModelClass row) {
  row.ignore_unexpected = {"decoder.**", "transformer.decoder.**"};
  return row;
}

constexpr TiedWeight kT5Encoder = {"encoder.embed_tokens.weight", "shared.weight"};
constexpr TiedWeight kT5Decoder = {"decoder.embed_tokens.weight", "shared.weight"};

constinit const Architecture t5_architecture{
    .model_type = "t5",
    .base_model_prefix = "transformer",
    .config = make_config<T5Config>,
    .classes = {model_class<T5Model>("T5Model", Task::Base, {kT5Encoder, kT5Decoder}),
                model_class<T5ForConditionalGeneration>("T5ForConditionalGeneration", Task::Seq2SeqLM,
                                                        {kT5Encoder, kT5Decoder, {"lm_head.weight", "shared.weight"}},
                                                        true),
                t5_encoder_class(model_class<T5EncoderModel>("T5EncoderModel", Task::TextEncoding, {kT5Encoder})),
                model_class<T5ForSequenceClassification>("T5ForSequenceClassification", Task::SequenceClassification),
                t5_encoder_class(
                    model_class<T5ForTokenClassification>("T5ForTokenClassification", Task::TokenClassification)),
                model_class<T5ForQuestionAnswering>("T5ForQuestionAnswering", Task::QuestionAnswering,
                                                    {kT5Encoder, kT5Decoder})},
    .no_split = {"T5Block"},
    .keep_in_fp32 = {"wo"},
    // Left over in the first published checkpoints.
    .ignore_unexpected = {"**.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"},
};

}  // namespace transformers
