#include "transformers/modeling/decoder.h"

#include <ATen/ops/arange.h>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/nn/masks.h"

namespace transformers {

PreNormDecoderLayer::PreNormDecoderLayer(const Options& o, int64_t index)
    : DecoderLayer(o.class_name),
      self_attn(child<nn::SelfAttention>("self_attn", o.attention, index)),
      mlp(child<nn::GatedMLP>("mlp", o.mlp)),
      input_layernorm(child<nn::RMSNorm>("input_layernorm", {.size = o.attention.hidden, .eps = o.norm_eps})),
      post_attention_layernorm(
          child<nn::RMSNorm>("post_attention_layernorm", {.size = o.attention.hidden, .eps = o.norm_eps})) {}

at::Tensor PreNormDecoderLayer::forward(const at::Tensor& x, const nn::LayerContext& context) {
  const auto attended = x + self_attn(input_layernorm(x), context);
  return attended + mlp(post_attention_layernorm(attended));
}

DecoderModel::DecoderModel(std::shared_ptr<PretrainedConfig> c, const Options& o, const MakeLayer& make_layer)
    : PreTrainedModel(std::move(c)),
      options_(o),
      embed_tokens(child<nn::Embedding>("embed_tokens", {.count = o.vocab, .size = o.hidden, .padding = o.padding})),
      layers(children("layers", o.layers, make_layer)),
      norm(child<nn::RMSNorm>("norm", {.size = o.hidden, .eps = o.norm_eps})) {
  for (const auto& window : o.windows)
    if (window && *window < 1) throw ValueError(str("sliding_window is ", *window, ", expected at least 1"));
  if (o.rotary.head_size > 0) rotary_emb = child<nn::Rotary>("rotary_emb", o.rotary);
}

DecoderModel::DecoderModel(std::shared_ptr<PretrainedConfig> c, const PreNormDecoderOptions& o)
    : DecoderModel(std::move(c), o.model, [layer = o.layer](int64_t index) -> std::shared_ptr<DecoderLayer> {
        return std::make_shared<PreNormDecoderLayer>(layer, index);
      }) {}

HeadOptions DecoderModel::head_options(const PretrainedConfig& c) {
  HeadOptions options{.hidden = c.get("hidden_size").as_int(), .vocab = c.get("vocab_size").as_int(), .dropout = 0.1};
  for (const auto* key : {"hidden_dropout", "classifier_dropout"})
    if (const auto value = c.get(key); value.is_number()) options.dropout = value.as_double();
  return options;
}

std::shared_ptr<nn::Cache> DecoderModel::make_cache() const {
  return options_.windows.empty() ? nn::dynamic_cache() : nn::sliding_cache(options_.windows);
}

std::vector<nn::CausalMask> DecoderModel::layer_masks(const at::Tensor& x, const ModelInputs& in,
                                                      nn::Cache* cache) const {
  const int64_t queries = x.size(1), past = cache ? cache->length() : 0;
  std::vector<nn::CausalMask> masks;
  for (int64_t layer = 0; layer < options_.layers; ++layer) {
    const auto at = static_cast<size_t>(layer);
    const auto window = at < options_.windows.size() ? options_.windows[at] : std::nullopt;
    // Layers of one kind share a mask; there are at most two kinds.
    const auto same = [&](size_t other) { return options_.windows.empty() || options_.windows[other] == window; };
    size_t twin = 0;
    while (twin < at && !same(twin)) ++twin;
    if (twin < at) {
      masks.push_back(masks[twin]);
      continue;
    }
    const auto keys = cache ? cache->extent(layer, queries) : nn::CacheLayer::Extent{queries, 0};
    masks.push_back(nn::causal_mask(in.attention_mask, {.queries = queries,
                                                        .past = past,
                                                        .keys = keys,
                                                        .window = window,
                                                        .dtype = x.scalar_type(),
                                                        .device = x.device(),
                                                        .may_skip = attends_with_sdpa()}));
  }
  return masks;
}

ModelOutput DecoderModel::run(const ModelInputs& in) {
  if (in.input_ids.defined() == in.inputs_embeds.defined())
    throw ValueError(str(model_class().name, ": give exactly one of input_ids and inputs_embeds"));
  auto x = in.inputs_embeds.defined() ? in.inputs_embeds : embed_tokens(in.input_ids);
  auto cache = in.past_key_values;
  if (!cache && *in.use_cache) cache = make_cache();
  const int64_t past = cache ? cache->length() : 0;
  const auto long_on_device = at::TensorOptions().dtype(at::kLong).device(x.device());
  const auto positions =
      in.position_ids.defined() ? in.position_ids : at::arange(past, past + x.size(1), long_on_device).unsqueeze(0);
  const auto masks = layer_masks(x, in, cache.get());
  ModelOutput output;
  nn::LayerContext context{.attend = attend(), .cache = cache.get()};
  if (*in.output_attentions) context.attentions = &output.attentions;
  if (rotary_emb) {
    const auto tables = rotary_emb(positions, x.scalar_type());
    context.cos = tables.cos;
    context.sin = tables.sin;
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    if (*in.output_hidden_states) output.hidden_states.push_back(x);
    context.mask = masks[i].additive;
    context.is_causal = masks[i].is_causal;
    x = layers[i](x, context);
  }
  output.last_hidden_state = norm(x);
  if (*in.output_hidden_states) output.hidden_states.push_back(output.last_hidden_state);
  if (*in.use_cache) output.past_key_values = cache;
  return output;
}

std::vector<std::string> default_layer_types(int64_t layers, std::optional<int64_t> window, int64_t first) {
  if (layers > 100'000) throw ValueError(str("num_hidden_layers is ", layers, ", expected at most 100000"));
  std::vector<std::string> types;
  for (int64_t i = 0; i < layers; ++i)
    types.emplace_back(window && i >= first ? "sliding_attention" : "full_attention");
  return types;
}

std::vector<std::optional<int64_t>> layer_windows(const std::vector<std::string>& types, std::optional<int64_t> window,
                                                  int64_t layers) {
  if (static_cast<int64_t>(types.size()) != layers)
    throw ValueError(str("the config has ", types.size(), " layer_types and ", layers, " layers"));
  std::vector<std::optional<int64_t>> windows;
  bool slides = false;
  for (const auto& type : types) {
    if (type != "full_attention" && type != "sliding_attention")
      throw ValueError(str("unknown layer type ", quote(type), "; known are full_attention, sliding_attention"));
    const bool this_slides = type == "sliding_attention";
    if (this_slides && !window) throw ValueError("a layer is of type sliding_attention, but sliding_window is not set");
    windows.push_back(this_slides ? window : std::nullopt);
    slides = slides || this_slides;
  }
  return slides ? windows : std::vector<std::optional<int64_t>>();
}

}  // namespace transformers
