#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transformers/modeling/model.h"
#include "transformers/nn/dense.h"

namespace transformers {

/// Vision Transformer (arXiv 2010.11929). Field names and defaults: ViTConfig of the reference.
struct ViTConfig final : PretrainedConfig {
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  std::string hidden_act = "gelu";
  double hidden_dropout_prob = 0.0;
  double attention_probs_dropout_prob = 0.0;
  double initializer_range = 0.02;
  double layer_norm_eps = 1e-12;
  Json image_size = 224;  // a number or [height, width]
  Json patch_size = 16;   // the same; patches must be square
  int64_t num_channels = 3;
  bool qkv_bias = true;
  int64_t encoder_stride = 16;
  std::optional<int64_t> pooler_output_size = {};  // absent: hidden_size
  std::string pooler_act = "tanh";
  TRANSFORMERS_CONFIG(ViTConfig, "vit", hidden_size, num_hidden_layers, num_attention_heads, intermediate_size,
                      hidden_act, hidden_dropout_prob, attention_probs_dropout_prob, initializer_range, layer_norm_eps,
                      image_size, patch_size, num_channels, qkv_bias, encoder_stride, pooler_output_size, pooler_act)

  /// How an image of `image_size` falls into patches. Throws ValueError for sizes that are not positive or that do not
  /// hold a patch.
  struct Grid {
    int64_t height = 0, width = 0;  // of the image, in pixels
    int64_t patch = 0;              // side of a patch, in pixels
    int64_t rows = 0, columns = 0;  // in patches
  };
  [[nodiscard]] Grid grid() const;
  [[nodiscard]] std::span<const Constraint> constraints() const override;

 protected:
  void finish(std::string_view where) override;
};

class ViTEmbeddings;
class ViTLayer;
class ViTDecoder;

/// The body: last_hidden_state (batch, 1 + patches, hidden) and, with its pooler, pooler_output.
class ViTModel final : public PreTrainedModel {
 public:
  using Config = ViTConfig;
  static constexpr PretrainedLoader<ViTModel> from_pretrained = {};
  explicit ViTModel(const std::shared_ptr<ViTConfig>& config, bool add_pooling_layer = true,
                    bool use_mask_token = false);
  /// With the constructor's arguments by name.
  [[nodiscard]] static std::shared_ptr<ViTModel> make(const std::shared_ptr<ViTConfig>& config, Json& arguments);
  void _init_weights(torch::nn::Module& module) override;

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<ViTEmbeddings> embeddings;
  std::vector<nn::Ref<ViTLayer>> layers;
  nn::Ref<nn::LayerNorm> layernorm;
  nn::Ref<nn::DenseActivation> pooler;  // may be null
};

/// Logits (batch, labels) from the first token.
class ViTForImageClassification final : public PreTrainedModel {
 public:
  using Config = ViTConfig;
  static constexpr PretrainedLoader<ViTForImageClassification> from_pretrained = {};
  explicit ViTForImageClassification(const std::shared_ptr<ViTConfig>& config);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  nn::Ref<ViTModel> vit;
  nn::Ref<nn::Linear> classifier;  // null without labels
};

/// Pixels of masked patches (arXiv 2111.09886): reconstruction, and the loss when `bool_masked_pos` is given.
class ViTForMaskedImageModeling final : public PreTrainedModel {
 public:
  using Config = ViTConfig;
  static constexpr PretrainedLoader<ViTForMaskedImageModeling> from_pretrained = {};
  explicit ViTForMaskedImageModeling(const std::shared_ptr<ViTConfig>& config);

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  ViTConfig::Grid grid_;
  int64_t stride_, channels_;
  nn::Ref<ViTModel> vit;
  nn::Ref<ViTDecoder> decoder;
};

extern const Architecture vit_architecture;

}  // namespace transformers
