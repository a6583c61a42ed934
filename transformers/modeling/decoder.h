#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "transformers/modeling/decoder_heads.h"
#include "transformers/nn/masks.h"
#include "transformers/nn/rotary.h"
#include "transformers/nn/self_attention.h"

namespace transformers {

/// One residual block of a decoder: (batch, tokens, hidden) in and out.
class DecoderLayer : public nn::Module {
 public:
  using nn::Module::Module;
  virtual at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) = 0;
};

/// The block of Llama and its many relatives: norm, attention, residual, norm, gated feed-forward, residual.
class PreNormDecoderLayer final : public DecoderLayer {
 public:
  struct Options {
    std::string class_name = {};  // the reference's name of it, by which device maps know what not to divide
    nn::SelfAttention::Options attention = {};
    nn::GatedMLP::Options mlp = {};
    double norm_eps = 1e-6;
  };
  PreNormDecoderLayer(const Options& options, int64_t index);
  at::Tensor forward(const at::Tensor& x, const nn::LayerContext& context) override;

 private:
  nn::Ref<nn::SelfAttention> self_attn;
  nn::Ref<nn::GatedMLP> mlp;
  nn::Ref<nn::RMSNorm> input_layernorm, post_attention_layernorm;
};

struct DecoderOptions {
  int64_t vocab = 0, hidden = 0, layers = 0;
  double norm_eps = 1e-6;
  std::optional<int64_t> padding = {};
  nn::Rotary::Options rotary = {};
  std::vector<std::optional<int64_t>> windows = {};  // sliding window per layer; empty: full attention everywhere
};

/// A decoder whose blocks are all PreNormDecoderLayers.
struct PreNormDecoderOptions {
  DecoderOptions model = {};
  PreNormDecoderLayer::Options layer = {};
};

/// Embedding, layers, last norm: the text decoder that most architectures share.
class DecoderModel : public PreTrainedModel {
 public:
  using Options = DecoderOptions;
  using MakeLayer = std::function<std::shared_ptr<DecoderLayer>(int64_t index)>;
  DecoderModel(std::shared_ptr<PretrainedConfig> config, const Options& options, const MakeLayer& make_layer);
  DecoderModel(std::shared_ptr<PretrainedConfig> config, const PreNormDecoderOptions& options);
  [[nodiscard]] const Options& options() const { return options_; }
  /// For the heads over any such model.
  [[nodiscard]] static HeadOptions head_options(const PretrainedConfig& config);
  [[nodiscard]] std::shared_ptr<nn::Cache> make_cache() const override;

 protected:
  ModelOutput run(const ModelInputs& inputs) override;

 private:
  [[nodiscard]] std::vector<nn::CausalMask> layer_masks(const at::Tensor& x, const ModelInputs& inputs,
                                                        nn::Cache* cache) const;
  Options options_;
  nn::Ref<nn::Embedding> embed_tokens;
  std::vector<nn::Ref<DecoderLayer>> layers;
  nn::Ref<nn::RMSNorm> norm;
  nn::Ref<nn::Rotary> rotary_emb;  // may be null
};

/// The heads of Llama and its relatives share the embedding where the config says so.
inline constexpr Few<TiedWeight> kDecoderTies = {{"lm_head.weight", "model.embed_tokens.weight"}};

/// "sliding_attention" from layer `first` on when there is a window, else "full_attention".
[[nodiscard]] std::vector<std::string> default_layer_types(int64_t layers, std::optional<int64_t> window,
                                                           int64_t first);
/// The window of each layer from its type; empty when none slides. Throws ValueError for a wrong number of types, an
/// unknown one, or one that slides without a window.
[[nodiscard]] std::vector<std::optional<int64_t>> layer_windows(const std::vector<std::string>& types,
                                                                std::optional<int64_t> window, int64_t layers);

}  // namespace transformers
