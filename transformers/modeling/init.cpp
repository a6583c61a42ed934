#include <ATen/core/grad_mode.h>
#include <torch/nn/modules/batchnorm.h>

#include "transformers/modeling/model.h"

namespace transformers {

namespace {

double initial_std(const PretrainedConfig& config) {
  for (const auto* key : {"initializer_range", "init_std", "initializer_factor"})
    if (const auto value = config.get(key); value.is_number() && value.as_double() != 0) return value.as_double();
  return 0.02;
}

bool on_meta(const at::Tensor& tensor) { return !tensor.defined() || tensor.is_meta(); }

void fill_normal(at::Tensor& tensor, double std) {
  if (!on_meta(tensor)) tensor.normal_(0.0, std);
}

void fill(at::Tensor& tensor, double value) {
  if (!on_meta(tensor)) tensor.fill_(value);
}

}  // namespace

void PreTrainedModel::_init_weights(torch::nn::Module& module) {
  const double std = initial_std(*config);
  if (auto* linear = dynamic_cast<torch::nn::LinearImpl*>(&module)) {
    fill_normal(linear->weight, std);
    fill(linear->bias, 0);
  } else if (auto* conv = dynamic_cast<torch::nn::Conv2dImpl*>(&module)) {
    fill_normal(conv->weight, std);
    fill(conv->bias, 0);
  } else if (auto* conv1d = dynamic_cast<nn::Conv1D*>(&module)) {
    fill_normal(conv1d->weight, std);
    fill(conv1d->bias, 0);
  } else if (auto* embedding = dynamic_cast<torch::nn::EmbeddingImpl*>(&module)) {
    fill_normal(embedding->weight, std);
    if (const auto padding = embedding->options.padding_idx(); padding && !on_meta(embedding->weight))
      embedding->weight.select(0, *padding).zero_();
  } else if (auto* norm = dynamic_cast<torch::nn::LayerNormImpl*>(&module)) {
    fill(norm->weight, 1);
    fill(norm->bias, 0);
  } else if (auto* rms = dynamic_cast<nn::RMSNorm*>(&module)) {
    fill(rms->weight, 1);
  }
}

namespace {

// Depth first; modules of a nested model are initialised by its own rules, or left out.
void initialise(PreTrainedModel& rules, torch::nn::Module& module, bool nested_too,
                void (PreTrainedModel::*init)(torch::nn::Module&)) {
  for (const auto& child : module.children()) {
    auto* nested = dynamic_cast<PreTrainedModel*>(child.get());
    if (!nested)
      initialise(rules, *child, nested_too, init);
    else if (nested_too)
      initialise(*nested, *child, true, init);
  }
  (rules.*init)(module);
}

}  // namespace

void PreTrainedModel::init_weights() {
  const at::NoGradGuard no_grad;
  initialise(*this, *this, true, &PreTrainedModel::_init_weights);
  tie_weights();
}

void PreTrainedModel::post_init() {
  const auto parameters = this->parameters();
  // A model on meta waits for its weights: whatever the file lacks is initialised after loading.
  if (!parameters.empty() && parameters.front().is_meta()) return tie_weights();
  const at::NoGradGuard no_grad;
  initialise(*this, *this, false, &PreTrainedModel::_init_weights);  // nested models have done so when they were built
  tie_weights();
}

}  // namespace transformers
