#include "transformers/models/gpt2.h"

#include <ATen/ops/arange.h>

#include <cmath>
#include <tuple>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/losses.h"
#include "transformers/nn/activations.h"
#include "transformers/nn/masks.h"

namespace transformers {

std::span<const PretrainedConfig::Alias> GPT2Config::attribute_map() const {
  static constexpr Alias kAliases[] = {{"hidden_size", "n_embd"},
                                       {"max_position_embeddings", "n_positions"},
                                       {"num_attention_heads", "n_head"},
                                       {"num_hidden_layers", "n_layer"}};
  return kAliases;
}

std::span<const Constraint> GPT2Config::constraints() const {
  static constexpr Constraint kConstraints[] = {
      {.field = "n_embd", .rule = Constraint::Rule::MultipleOf, .other = "n_head"}};
  return kConstraints;
}

// Self-attention, or attention to an encoder, whose keys and values are computed once per cache.
class GPT2Attention final : public nn::Module {
 public:
  GPT2Attention(const GPT2Config& c, int64_t layer, bool is_cross)
      : c_attn(child<nn::Conv1D>("c_attn", {.in = c.n_embd, .out = (is_cross ? 2 : 3) * c.n_embd})),
        head_size_(c.n_embd / c.n_head),
        dropout_(c.attn_pdrop),
        layer_(layer) {
    if (is_cross) q_attn = child<nn::Conv1D>("q_attn", {.in = c.n_embd, .out = c.n_embd});
    c_proj = child<nn::Conv1D>("c_proj", {.in = c.n_embd, .out = c.n_embd});
    resid_dropout = child<nn::Dropout>("resid_dropout", {.p = c.resid_pdrop});
    if (c.scale_attn_weights) scale_ = 1 / std::sqrt(static_cast<double>(head_size_));
    if (c.scale_attn_by_inverse_layer_idx) scale_ /= static_cast<double>(layer + 1);
  }

  at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) {
    const auto heads = [&](const at::Tensor& t) { return nn::split_heads(t, head_size_); };
    const nn::AttentionOptions options{.scale = scale_, .dropout = is_training() ? dropout_ : 0.0};
    if (q_attn) {
      nn::Cache::Cross uncached;
      auto& cross = context.cache ? context.cache->cross(layer_) : uncached;
      if (!cross.keys.defined()) {
        const auto kv = c_attn(context.encoder_hidden_states).chunk(2, -1);
        cross = {.keys = heads(kv[0]), .values = heads(kv[1])};
      }
      const auto result = context.attend(heads(q_attn(x)), cross.keys, cross.values, context.encoder_mask, options);
      context.record_cross(result);
      return resid_dropout(c_proj(nn::merge_heads(result.hidden)));
    }
    const auto qkv = c_attn(x).chunk(3, -1);
    auto k = heads(qkv[1]), v = heads(qkv[2]);
    if (context.cache) std::tie(k, v) = context.cache->update(layer_, k, v);
    const auto result =
        context.attend(heads(qkv[0]), k, v, context.mask,
                       {.scale = options.scale, .dropout = options.dropout, .is_causal = context.is_causal});
    context.record(result);
    return resid_dropout(c_proj(nn::merge_heads(result.hidden)));
  }

  nn::Ref<nn::Conv1D> c_attn, q_attn, c_proj;

 private:
  nn::Ref<nn::Dropout> resid_dropout;
  int64_t head_size_;
  double scale_ = 1.0, dropout_;
  int64_t layer_;
};

class GPT2MLP final : public nn::Module {
 public:
  GPT2MLP(const GPT2Config& c, int64_t inner)
      : c_fc(child<nn::Conv1D>("c_fc", {.in = c.n_embd, .out = inner})),
        c_proj(child<nn::Conv1D>("c_proj", {.in = inner, .out = c.n_embd})),
        dropout(child<nn::Dropout>("dropout", {.p = c.resid_pdrop})),
        act_(nn::activation(c.activation_function)) {}
  at::Tensor forward(const at::Tensor& x) { return dropout(c_proj(act_(c_fc(x)))); }

  nn::Ref<nn::Conv1D> c_fc, c_proj;

 private:
  nn::Ref<nn::Dropout> dropout;
  nn::Activation act_;
};

class GPT2Block final : public nn::Module {
 public:
  GPT2Block(const GPT2Config& c, int64_t layer)
      : ln_1(child<nn::LayerNorm>("ln_1", {.size = c.n_embd, .eps = c.layer_norm_epsilon})),
        attn(child_of<GPT2Attention>("attn", c, layer, /*is_cross=*/false)),
        ln_2(child<nn::LayerNorm>("ln_2", {.size = c.n_embd, .eps = c.layer_norm_epsilon})) {
    if (c.add_cross_attention) {
      crossattention = child_of<GPT2Attention>("crossattention", c, layer, /*is_cross=*/true);
      ln_cross_attn = child<nn::LayerNorm>("ln_cross_attn", {.size = c.n_embd, .eps = c.layer_norm_epsilon});
    }
    mlp = child_of<GPT2MLP>("mlp", c, c.n_inner.value_or(4 * c.n_embd));
  }

  at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) {
    auto y = x + attn(ln_1(x), context);
    if (context.encoder_hidden_states.defined()) y = y + crossattention(ln_cross_attn(y), context);
    return y + mlp(ln_2(y));
  }

 private:
  nn::Ref<nn::LayerNorm> ln_1;
  nn::Ref<GPT2Attention> attn;
  nn::Ref<nn::LayerNorm> ln_2;
  nn::Ref<GPT2Attention> crossattention;
  nn::Ref<nn::LayerNorm> ln_cross_attn;
  nn::Ref<GPT2MLP> mlp;
};

static nn::SequenceSummary::Options gpt2_summary(const GPT2Config& c) {
  const auto last = c.get("summary_last_dropout");
  nn::SequenceSummary::Options options{.type = c.summary_type,
                                       .hidden = c.n_embd,
                                       .activation = c.summary_activation.value_or("linear"),
                                       .first_dropout = c.summary_first_dropout,
                                       .last_dropout = last.is_number() ? last.as_double() : 0.0};
  if (c.summary_use_proj) options.out = c.summary_proj_to_labels ? c.num_labels() : c.n_embd;
  return options;
}

void GPT2Model::_init_weights(torch::nn::Module& module) {
  PreTrainedModel::_init_weights(module);
  auto* attention = dynamic_cast<GPT2Attention*>(&module);
  auto* mlp = dynamic_cast<GPT2MLP*>(&module);
  if (!attention && !mlp) return;
  // Each residual path adds its variance: the paper scales their weights by 1 / √(number of paths).
  const auto& c = dynamic_cast<const GPT2Config&>(*config);
  auto& weight = attention ? attention->c_proj->weight : mlp->c_proj->weight;
  if (!weight.is_meta()) weight.normal_(0.0, c.initializer_range / std::sqrt(2.0 * static_cast<double>(c.n_layer)));
}

// reorder_and_upcast_attn: scores and softmax in float32 (Mistral's GPT-2 training code).
static nn::AttentionResult gpt2_upcast_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                                 const at::Tensor& mask, const nn::AttentionOptions& options) {
  const auto eager = nn::AttentionInterface().get_interface("eager");
  const auto wide = eager(q.to(at::kFloat), k.to(at::kFloat), v.to(at::kFloat), mask, options);
  return {.hidden = wide.hidden.to(v.scalar_type()), .weights = wide.weights.to(v.scalar_type())};
}

GPT2Model::GPT2Model(const std::shared_ptr<GPT2Config>& c)
    : PreTrainedModel(c),
      wte(child<nn::Embedding>("wte", {.count = c->vocab_size, .size = c->n_embd})),
      wpe(child<nn::Embedding>("wpe", {.count = c->n_positions, .size = c->n_embd})),
      drop(child<nn::Dropout>("drop", {.p = c->embd_pdrop})),
      h(children("h", c->n_layer, [&](int64_t layer) { return std::make_shared<GPT2Block>(*c, layer); })),
      ln_f(child<nn::LayerNorm>("ln_f", {.size = c->n_embd, .eps = c->layer_norm_epsilon})),
      upcasts_(c->reorder_and_upcast_attn),
      has_cross_attention_(c->add_cross_attention) {
  post_init();
}

// Choices of a multiple choice are rows of a larger batch.
static at::Tensor gpt2_rows(const at::Tensor& x) { return x.defined() && x.dim() == 3 ? x.flatten(0, 1) : x; }

nn::LayerContext GPT2Model::make_context(const at::Tensor& x, const ModelInputs& in, nn::Cache* cache) const {
  const int64_t queries = x.size(1);
  const auto mask = nn::causal_mask(gpt2_rows(in.attention_mask),
                                    {.queries = queries,
                                     .past = cache ? cache->length() : 0,
                                     .keys = cache ? cache->extent(0, queries) : nn::CacheLayer::Extent{queries, 0},
                                     .dtype = x.scalar_type(),
                                     .device = x.device(),
                                     .may_skip = attends_with_sdpa()});
  const bool upcasts = upcasts_ && config->attn_implementation == "eager";
  nn::LayerContext context{.attend = upcasts ? gpt2_upcast_attention : attend(),
                           .mask = mask.additive,
                           .is_causal = mask.is_causal,
                           .cache = cache,
                           .encoder_hidden_states = in.encoder_hidden_states};
  if (in.encoder_hidden_states.defined())
    context.encoder_mask = nn::expand_mask(in.encoder_attention_mask, x.scalar_type());
  return context;
}

ModelOutput GPT2Model::run(const ModelInputs& in) {
  if (in.input_ids.defined() == in.inputs_embeds.defined())
    throw ValueError("GPT2Model: give exactly one of input_ids and inputs_embeds");
  if (in.encoder_hidden_states.defined() && !has_cross_attention_)
    throw ValueError("GPT2Model: encoder_hidden_states are given, but the config has no add_cross_attention; set it");
  auto x = in.inputs_embeds.defined() ? in.inputs_embeds : wte(gpt2_rows(in.input_ids));
  auto cache = in.past_key_values;
  if (!cache && *in.use_cache) cache = make_cache();
  ModelOutput output;
  auto context = make_context(x, in, cache.get());
  if (*in.output_attentions) {
    context.attentions = &output.attentions;
    context.cross_attentions = &output.cross_attentions;
  }
  const int64_t past = cache ? cache->length() : 0;
  const auto long_on_device = at::TensorOptions().dtype(at::kLong).device(x.device());
  const auto positions = in.position_ids.defined() ? gpt2_rows(in.position_ids)
                                                   : at::arange(past, past + x.size(1), long_on_device).unsqueeze(0);
  x = x + wpe(positions);
  if (in.token_type_ids.defined()) x = x + wte(gpt2_rows(in.token_type_ids));
  x = drop(x);
  for (const auto& block : h) {
    if (*in.output_hidden_states) output.hidden_states.push_back(x);
    x = block(x, context);
  }
  x = ln_f(x);
  if (in.input_ids.defined() && in.input_ids.dim() == 3) x = x.unflatten(0, {in.input_ids.size(0), -1});
  output.last_hidden_state = x;
  if (*in.output_hidden_states) output.hidden_states.push_back(x);
  if (*in.use_cache) output.past_key_values = cache;
  return output;
}

static double gpt2_classifier_dropout(const GPT2Config& c) {
  for (const auto* key : {"classifier_dropout", "hidden_dropout"})
    if (const auto value = c.get(key); value.is_number()) return value.as_double();
  return 0.1;
}

HeadOptions GPT2Model::head_options(const GPT2Config& c) {
  return {.body_name = "transformer", .hidden = c.n_embd, .vocab = c.vocab_size, .dropout = gpt2_classifier_dropout(c)};
}

static std::shared_ptr<GPT2Config> gpt2_single_label(const std::shared_ptr<GPT2Config>& c) {
  given<GPT2DoubleHeadsModel>(c)->set_num_labels(1);
  return c;
}

GPT2DoubleHeadsModel::GPT2DoubleHeadsModel(const std::shared_ptr<GPT2Config>& c)
    : ModelWithHead(gpt2_single_label(c), GPT2Model::head_options(*gpt2_single_label(c)),
                    std::make_shared<GPT2Model>(c)),
      lm_head(child<nn::Linear>("lm_head", {.in = c->n_embd, .out = c->vocab_size, .bias = false})),
      multiple_choice_head(child<nn::SequenceSummary>("multiple_choice_head", gpt2_summary(*c))) {
  post_init();
}

ModelOutput GPT2DoubleHeadsModel::run(const ModelInputs& in) {
  auto output = body(in);
  const auto x = std::exchange(output.last_hidden_state, {});
  output.logits = lm_head(x);
  output.mc_logits = multiple_choice_head(x, in.mc_token_ids).squeeze(-1);
  if (in.mc_labels.defined()) output.mc_loss = token_loss(output.mc_logits, in.mc_labels);
  if (in.labels.defined()) output.loss = causal_lm_loss(output.logits, in.labels);
  return output;
}

constexpr Few<TiedWeight> kGPT2Ties = {{"lm_head.weight", "transformer.wte.weight"}};

constinit const Architecture gpt2_architecture{
    .model_type = "gpt2",
    .base_model_prefix = "transformer",
    .config = make_config<GPT2Config>,
    .classes = {model_class<GPT2Model>("GPT2Model", Task::Base),
                model_class<GPT2LMHeadModel>("GPT2LMHeadModel", Task::CausalLM, kGPT2Ties, true),
                model_class<GPT2DoubleHeadsModel>("GPT2DoubleHeadsModel", Task::None, kGPT2Ties, true),
                model_class<GPT2ForSequenceClassification>("GPT2ForSequenceClassification",
                                                           Task::SequenceClassification),
                model_class<GPT2ForTokenClassification>("GPT2ForTokenClassification", Task::TokenClassification),
                model_class<GPT2ForQuestionAnswering>("GPT2ForQuestionAnswering", Task::QuestionAnswering)},
    .no_split = {"GPT2Block"},
    // Causal masks that old checkpoints saved as buffers.
    .ignore_unexpected = {"**.attn.bias", "**.attn.masked_bias", "**.crossattention.bias",
                          "**.crossattention.masked_bias"},
};

}  // namespace transformers
