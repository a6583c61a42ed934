#include "transformers/models/vit.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/l1_loss.h>
#include <ATen/ops/pixel_shuffle.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include <cmath>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/losses.h"
#include "transformers/nn/masks.h"
#include "transformers/nn/self_attention.h"

namespace transformers {

namespace {

std::pair<int64_t, int64_t> sides(const Json& size, std::string_view name) {
  constexpr int64_t kMost = 1 << 20;  // keeps the number of patches far inside int64_t's range
  const bool is_pair = size.is_array() && size.size() == 2;
  const auto side = [&](size_t index) {
    const auto& value = is_pair ? size.as_array()[index] : size;
    if (!value.is_int() || value.as_int() < 1 || value.as_int() > kMost)
      throw ValueError(str(name, " is ", size.dump(), ", expected a number from 1 to ", kMost, " or two of them"));
    return value.as_int();
  };
  return {side(0), side(1)};
}

}  // namespace

std::span<const Constraint> ViTConfig::constraints() const {
  // Its square times the channels fits int64_t.
  static constexpr Constraint kConstraints[] = {{.field = "encoder_stride", .most = 1 << 15}};
  return kConstraints;
}

void ViTConfig::finish(std::string_view where) {
  try {
    (void)grid();
  } catch (const ValueError& error) {
    throw ValueError(str(where, ": ", error.what()));
  }
  if (pooler_output_size.value_or(0) == 0) pooler_output_size = hidden_size;
}

ViTConfig::Grid ViTConfig::grid() const {
  const auto [height, width] = sides(image_size, "image_size");
  const auto [patch, patch_width] = sides(patch_size, "patch_size");
  if (patch != patch_width)
    throw ValueError(str("patch_size is ", patch_size.dump(), "; only square patches are supported"));
  if (patch > height || patch > width)
    throw ValueError(str("patch_size is ", patch, ", more than the image_size, which is ", height, " x ", width));
  return {.height = height, .width = width, .patch = patch, .rows = height / patch, .columns = width / patch};
}

class ViTPatchEmbeddings final : public nn::Module {
 public:
  ViTPatchEmbeddings(const ViTConfig& c, int64_t patch)
      : projection(child<nn::Conv2d>("projection",
                                     {.in = c.num_channels, .out = c.hidden_size, .kernel = patch, .stride = patch})) {}

  /// (batch, channels, height, width) → (batch, patches, hidden).
  at::Tensor forward(const at::Tensor& pixels) {
    const auto& weight = projection->weight;
    if (pixels.dim() != 4 || pixels.size(1) != weight.size(1))
      throw ValueError(transformers::str("pixel_values have shape ", pixels.sizes(), ", expected (batch, ",
                                         weight.size(1), ", height, width)"));
    return projection(pixels.to(weight.scalar_type())).flatten(2).transpose(1, 2);
  }

 private:
  nn::Ref<nn::Conv2d> projection;
};

// Class token and patches, with positions. Reference: ViTEmbeddings.
class ViTEmbeddings final : public nn::Module {
 public:
  ViTEmbeddings(const ViTConfig& c, bool use_mask_token) : grid_(c.grid()) {
    parameter("cls_token", &cls_token, {1, 1, c.hidden_size});
    if (use_mask_token) parameter("mask_token", &mask_token, {1, 1, c.hidden_size});
    parameter("position_embeddings", &position_embeddings, {1, grid_.rows * grid_.columns + 1, c.hidden_size});
    patch_embeddings = child_of<ViTPatchEmbeddings>("patch_embeddings", c, grid_.patch);
    dropout = child<nn::Dropout>("dropout", {.p = c.hidden_dropout_prob});
  }

  at::Tensor forward(const ModelInputs& in) {
    auto x = patch_embeddings(in.pixel_values);
    if (in.bool_masked_pos.defined()) x = with_mask_tokens(x, in.bool_masked_pos);
    x = at::cat({cls_token.expand({x.size(0), 1, -1}), x}, 1);
    return dropout(x + positions(in.pixel_values.size(2), in.pixel_values.size(3), in.interpolate_pos_encoding));
  }

  at::Tensor cls_token, mask_token, position_embeddings;

 private:
  at::Tensor with_mask_tokens(const at::Tensor& x, const at::Tensor& masked) const {
    if (!mask_token.defined())
      throw ValueError("bool_masked_pos is given to a model without mask token; build it with use_mask_token");
    if (!masked.sizes().equals({x.size(0), x.size(1)}))
      throw ValueError(transformers::str("bool_masked_pos has shape ", masked.sizes(), ", expected (", x.size(0), ", ",
                                         x.size(1), ")"));
    const auto mask = masked.unsqueeze(-1).to(x.scalar_type());
    return x * (1.0 - mask) + mask_token * mask;
  }

  // The trained grid of positions, stretched to an image of another size when asked for.
  at::Tensor positions(int64_t height, int64_t width, bool interpolate) const {
    if (height == grid_.height && width == grid_.width) return position_embeddings;
    if (!interpolate)
      throw ValueError(str("the image is ", height, " x ", width, ", the model takes ", grid_.height, " x ",
                           grid_.width, "; resize it or set interpolate_pos_encoding"));
    const auto grid = position_embeddings.narrow(1, 1, grid_.rows * grid_.columns)
                          .unflatten(1, {grid_.rows, grid_.columns})
                          .permute({0, 3, 1, 2});
    const auto stretched = at::upsample_bicubic2d(grid, {height / grid_.patch, width / grid_.patch}, false);
    return at::cat({position_embeddings.narrow(1, 0, 1), stretched.flatten(2).transpose(1, 2)}, 1);
  }

  ViTConfig::Grid grid_;
  nn::Ref<ViTPatchEmbeddings> patch_embeddings;
  nn::Ref<nn::Dropout> dropout;
};

namespace {

class ViTMLP final : public nn::Module {
 public:
  explicit ViTMLP(const ViTConfig& c)
      : fc1(child<nn::Linear>("fc1", {.in = c.hidden_size, .out = c.intermediate_size})),
        fc2(child<nn::Linear>("fc2", {.in = c.intermediate_size, .out = c.hidden_size})),
        activation_(nn::activation(c.hidden_act)) {}
  at::Tensor forward(const at::Tensor& x) { return fc2(activation_(fc1(x))); }

 private:
  nn::Ref<nn::Linear> fc1, fc2;
  nn::Activation activation_;
};

nn::SelfAttention::Options attention_options(const ViTConfig& c) {
  return {.hidden = c.hidden_size,
          .heads = c.num_attention_heads,
          .kv_heads = c.num_attention_heads,
          .head_size = c.hidden_size / c.num_attention_heads,
          .bias = c.qkv_bias,
          .output_bias = true,
          .dropout = c.attention_probs_dropout_prob};
}

}  // namespace

// Pre-norm residual block. Reference: ViTLayer.
class ViTLayer final : public nn::Module {
 public:
  ViTLayer(const ViTConfig& c, int64_t index)
      : attention(child<nn::SelfAttention>("attention", attention_options(c), index)),
        layernorm_before(child<nn::LayerNorm>("layernorm_before", {.size = c.hidden_size, .eps = c.layer_norm_eps})),
        layernorm_after(child<nn::LayerNorm>("layernorm_after", {.size = c.hidden_size, .eps = c.layer_norm_eps})),
        mlp(child_of<ViTMLP>("mlp", c)),
        dropout(child<nn::Dropout>("dropout", {.p = c.hidden_dropout_prob})) {}

  at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) {
    const auto attended = x + dropout(attention(layernorm_before(x), context));
    return attended + dropout(mlp(layernorm_after(attended)));
  }

 private:
  nn::Ref<nn::SelfAttention> attention;
  nn::Ref<nn::LayerNorm> layernorm_before, layernorm_after;
  nn::Ref<ViTMLP> mlp;
  nn::Ref<nn::Dropout> dropout;
};

// A patch's pixels from its hidden state: a 1 x 1 convolution, then channels become pixels.
class ViTDecoder final : public nn::Module {
 public:
  explicit ViTDecoder(const ViTConfig& c)
      : convolution(
            child<nn::Conv2d>("0", {.in = c.hidden_size, .out = c.encoder_stride * c.encoder_stride * c.num_channels})),
        stride_(c.encoder_stride) {}
  at::Tensor forward(const at::Tensor& x) { return at::pixel_shuffle(convolution(x), stride_); }

 private:
  nn::Ref<nn::Conv2d> convolution;
  int64_t stride_;
};

std::shared_ptr<ViTModel> ViTModel::make(const std::shared_ptr<ViTConfig>& c, Json& arguments) {
  const bool pooler = arguments.get("add_pooling_layer", true), mask = arguments.get("use_mask_token", false);
  arguments.erase("add_pooling_layer");
  arguments.erase("use_mask_token");
  return std::make_shared<ViTModel>(c, pooler, mask);
}

ViTModel::ViTModel(const std::shared_ptr<ViTConfig>& c, bool add_pooling_layer, bool use_mask_token)
    : PreTrainedModel(c),
      embeddings(child_of<ViTEmbeddings>("embeddings", *c, use_mask_token)),
      layers(children("layers", c->num_hidden_layers,
                      [&](int64_t index) { return std::make_shared<ViTLayer>(*c, index); })),
      layernorm(child<nn::LayerNorm>("layernorm", {.size = c->hidden_size, .eps = c->layer_norm_eps})) {
  if (add_pooling_layer)
    pooler = child<nn::DenseActivation>(
        "pooler", {.in = c->hidden_size, .out = *c->pooler_output_size, .activation = c->pooler_act});
  post_init();
}

void ViTModel::_init_weights(torch::nn::Module& module) {
  PreTrainedModel::_init_weights(module);
  auto* own = dynamic_cast<ViTEmbeddings*>(&module);
  if (!own || own->cls_token.is_meta()) return;
  // Normal, cut off at 2 as the reference does: through the inverse of the distribution function.
  const double scale = config->get("initializer_range").as_double() * std::sqrt(2.0), edge = std::erf(2 / scale);
  for (auto* tensor : {&own->position_embeddings, &own->cls_token})
    tensor->uniform_(-edge, edge).erfinv_().mul_(scale).clamp_(-2, 2);
  if (own->mask_token.defined()) own->mask_token.zero_();
}

ModelOutput ViTModel::run(const ModelInputs& in) {
  if (!in.pixel_values.defined()) throw ValueError(str(model_class().name, ": give pixel_values"));
  auto x = embeddings(in);
  ModelOutput output;
  nn::LayerContext context{.attend = attend(), .mask = nn::bidirectional_mask(in.attention_mask, x.scalar_type())};
  if (*in.output_attentions) context.attentions = &output.attentions;
  for (const auto& layer : layers) {
    if (*in.output_hidden_states) output.hidden_states.push_back(x);
    x = layer(x, context);
  }
  if (*in.output_hidden_states) output.hidden_states.push_back(x);
  output.last_hidden_state = layernorm(x);
  if (pooler) output.pooler_output = pooler(output.last_hidden_state.select(1, 0));
  return output;
}

ViTForImageClassification::ViTForImageClassification(const std::shared_ptr<ViTConfig>& c)
    : PreTrainedModel(c), vit(child_of<ViTModel>("vit", c, false)) {
  if (c->num_labels() > 0) classifier = child<nn::Linear>("classifier", {.in = c->hidden_size, .out = c->num_labels()});
  post_init();
}

ModelOutput ViTForImageClassification::run(const ModelInputs& in) {
  auto output = vit(in);
  const auto first = std::exchange(output.last_hidden_state, {}).select(1, 0);
  output.logits = classifier ? classifier(first) : first;
  if (in.labels.defined()) output.loss = sequence_loss(*config, output.logits, in.labels);
  return output;
}

ViTForMaskedImageModeling::ViTForMaskedImageModeling(const std::shared_ptr<ViTConfig>& c)
    : PreTrainedModel(c),
      grid_(c->grid()),
      stride_(c->encoder_stride),
      channels_(c->num_channels),
      vit(child_of<ViTModel>("vit", c, false, true)),
      decoder(child_of<ViTDecoder>("decoder", *c)) {
  post_init();
}

ModelOutput ViTForMaskedImageModeling::run(const ModelInputs& in) {
  if (in.bool_masked_pos.defined() && grid_.patch != stride_)
    throw ValueError(str("patch_size is ", grid_.patch, " and encoder_stride is ", stride_,
                         "; they must be equal for a loss, so that pixels can be compared"));
  auto output = vit(in);
  const auto patches = std::exchange(output.last_hidden_state, {}).slice(1, 1).transpose(1, 2);
  const int64_t rows = in.pixel_values.size(2) / grid_.patch, columns = in.pixel_values.size(3) / grid_.patch;
  output.reconstruction = decoder(patches.unflatten(2, {rows, columns}));
  if (!in.bool_masked_pos.defined()) return output;
  const auto mask = in.bool_masked_pos.reshape({-1, 1, rows, columns})
                        .repeat_interleave(grid_.patch, 2)
                        .repeat_interleave(grid_.patch, 3);
  const auto error = at::l1_loss(in.pixel_values, output.reconstruction, at::Reduction::None);
  output.loss = (error * mask).sum() / (mask.sum() + 1e-5) / channels_;  // 1e-5: an empty mask must not divide by 0
  return output;
}

// Files have the names from before version 5 of the reference, which still writes them.
constexpr KeyRule kViTRules[] = {
    {"encoder.layer.*.attention.attention.query.*", "layers.*.attention.q_proj.*"},
    {"encoder.layer.*.attention.attention.key.*", "layers.*.attention.k_proj.*"},
    {"encoder.layer.*.attention.attention.value.*", "layers.*.attention.v_proj.*"},
    {"encoder.layer.*.attention.output.dense.*", "layers.*.attention.o_proj.*"},
    {"encoder.layer.*.intermediate.dense.*", "layers.*.mlp.fc1.*"},
    {"encoder.layer.*.output.dense.*", "layers.*.mlp.fc2.*"},
    {"encoder.layer.*.layernorm_before.*", "layers.*.layernorm_before.*"},
    {"encoder.layer.*.layernorm_after.*", "layers.*.layernorm_after.*"},
};

constinit const Architecture vit_architecture{
    .model_type = "vit",
    .base_model_prefix = "vit",
    .main_input_name = "pixel_values",
    .config = make_config<ViTConfig>,
    .classes = {model_class<ViTModel>("ViTModel", Task::Base),
                model_class<ViTForImageClassification>("ViTForImageClassification", Task::ImageClassification),
                model_class<ViTForMaskedImageModeling>("ViTForMaskedImageModeling", Task::MaskedImageModeling)},
    .no_split = {"ViTEmbeddings", "ViTLayer"},
    .file_rules = kViTRules,
};

}  // namespace transformers
