#pragma once

#include <memory>
#include <string>
#include <type_traits>

#include "transformers/modeling/model.h"

namespace transformers {

/// What a head must know of the body below it.
struct HeadOptions {
  std::string body_name = "model";  // under which it is registered
  int64_t hidden = 0, vocab = 0;
  double dropout = 0.0;  // before a classifier
};

/// A body under the architecture's name for it; heads add their own layers.
class ModelWithHead : public PreTrainedModel {
 public:
  [[nodiscard]] std::shared_ptr<nn::Cache> make_cache() const override { return body->make_cache(); }
  [[nodiscard]] bool takes_choices() const override { return body->takes_choices(); }

 protected:
  ModelWithHead(std::shared_ptr<PretrainedConfig> c, const HeadOptions& options, std::shared_ptr<PreTrainedModel> model)
      : PreTrainedModel(std::move(c)), body(register_module(options.body_name, std::move(model))) {}
  nn::Ref<PreTrainedModel> body;
};

/// The registered class of a `Head` over a fresh `Body`, when nothing else sets it apart:
/// `using LlamaForCausalLM = WithHead<LlamaModel, ForCausalLM>`. A body names its config type `Config` and describes
/// itself by `head_options(config)`; a head with a constant `kPools` decides whether the body gets its pooler.
template <class Body, class Head>
class WithHead final : public Head {
 public:
  using Config = typename Body::Config;
  static constexpr PretrainedLoader<WithHead> from_pretrained = {};

  explicit WithHead(const std::shared_ptr<Config>& c)
      : Head(given<WithHead>(c), Body::head_options(*given<WithHead>(c)), make_body(given<WithHead>(c))) {
    this->post_init();
  }

 private:
  static std::shared_ptr<Body> make_body(const std::shared_ptr<Config>& c) {
    if constexpr (requires { Head::kPools; } && std::is_constructible_v<Body, const std::shared_ptr<Config>&, bool>)
      return std::make_shared<Body>(c, Head::kPools);
    else
      return std::make_shared<Body>(c);
  }
};

}  // namespace transformers
