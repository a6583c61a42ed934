#include "transformers/nn/activations.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "transformers/base/error.h"

namespace transformers::nn {
namespace {

using ::testing::HasSubstr;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
double gelu_tanh(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

struct Formula {
  std::string_view name;
  double (*function)(double);
};
constexpr Formula kFormulas[] = {
    {"gelu", gelu},
    {"gelu_10", [](double x) { return std::clamp(gelu(x), -10.0, 10.0); }},
    {"gelu_accurate", gelu_tanh},
    {"gelu_fast", gelu_tanh},
    {"gelu_new", gelu_tanh},
    {"gelu_python", gelu},
    {"gelu_pytorch_tanh", gelu_tanh},
    {"leaky_relu", [](double x) { return x < 0 ? 0.01 * x : x; }},
    {"linear", [](double x) { return x; }},
    {"mish", [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
    {"quick_gelu", [](double x) { return x * sigmoid(1.702 * x); }},
    {"relu", [](double x) { return std::max(x, 0.0); }},
    {"relu2", [](double x) { return std::pow(std::max(x, 0.0), 2); }},
    {"relu6", [](double x) { return std::clamp(x, 0.0, 6.0); }},
    {"sigmoid", sigmoid},
    {"silu", [](double x) { return x * sigmoid(x); }},
    {"swish", [](double x) { return x * sigmoid(x); }},
    {"tanh", [](double x) { return std::tanh(x); }},
};

TEST(Activations, FollowTheirFormulas) {
  const auto x = at::linspace(-14, 14, 113, at::kDouble);
  std::vector<std::string_view> names;
  for (const auto& [name, function] : kFormulas) {
    names.push_back(name);
    const auto y = activation(name)(x);
    for (int64_t i = 0; i < x.numel(); ++i)
      EXPECT_NEAR(y[i].item<double>(), function(x[i].item<double>()), 1e-7) << name << " of " << x[i].item<double>();
  }
  EXPECT_EQ(names, activation_names()) << "every name has a formula here";
}

TEST(Activations, GateWithTheSameFunction) {
  const auto gate = at::randn({3, 37}), up = at::randn({3, 37});
  for (const auto name : activation_names())
    EXPECT_TRUE(gated_activation(name, gate, up).allclose(activation(name)(gate) * up, 1e-4, 1e-5)) << name;
}

TEST(Activations, AreAllListedWhenOneIsUnknown) {
  for (const auto unknown : {"gleu", "", "GELU"}) {
    try {
      static_cast<void>(activation(unknown));
      ADD_FAILURE() << unknown << " is known";
    } catch (const ValueError& error) {
      for (const auto name : activation_names()) EXPECT_THAT(error.what(), HasSubstr(std::string(name)));
    }
  }
  EXPECT_THROW(static_cast<void>(gated_activation("gleu", at::randn({1}), at::randn({1}))), ValueError);
}

}  // namespace
}  // namespace transformers::nn
