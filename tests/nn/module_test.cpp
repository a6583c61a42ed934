#include "transformers/nn/module.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "transformers/base/error.h"
#include "transformers/modeling/model.h"
#include "transformers/nn/layers.h"

namespace transformers::nn {
namespace {

using ::testing::HasSubstr;

TEST(ParameterScope, DecidesWhereAndInWhichTypeParametersAreMade) {  // L01, D01
  {
    const ParameterScope scope({.device = at::kMeta, .dtype = at::kBFloat16});
    const auto parameter = new_parameter({2, 3});
    EXPECT_TRUE(parameter.is_meta());
    EXPECT_EQ(parameter.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(parameter.requires_grad());
    {
      const ParameterScope inner({.dtype = at::kHalf});
      EXPECT_EQ(new_parameter({1}).scalar_type(), at::kHalf);
    }
    EXPECT_TRUE(new_parameter({1}).is_meta());
  }
  EXPECT_TRUE(new_parameter({1}).is_cpu());
  EXPECT_EQ(new_parameter({1}).scalar_type(), at::kFloat);
}

TEST(ParameterScope, ReachesModulesThatLibtorchWrote) {  // L01, D04
  const ParameterScope scope({.device = at::kMeta, .dtype = at::kHalf});
  const Linear linear({.in = 4, .out = 2});
  const LayerNorm norm({.size = 4});
  const Embedding embedding({.count = 5, .size = 4});
  for (const auto& parameter : {linear.weight, linear.bias, norm.weight, norm.bias, embedding.weight}) {
    EXPECT_TRUE(parameter.is_meta());
    EXPECT_EQ(parameter.scalar_type(), at::kHalf);
  }
}

TEST(ParameterScope, EndsWithAnException) {  // D01
  const auto process_default = at::ones({1}).scalar_type();
  EXPECT_THROW(
      {
        const ParameterScope scope({.device = at::kMeta, .dtype = at::kDouble});
        EXPECT_EQ(at::ones({1}).scalar_type(), process_default);
        throw std::runtime_error("the constructor of a model failed");
      },
      std::runtime_error);
  EXPECT_EQ(parameter_options().dtype, at::kFloat);
  EXPECT_TRUE(new_parameter({1}).is_cpu());
}

TEST(ParameterScope, LeavesOtherThreadsAlone) {  // D01
  const ParameterScope scope({.device = at::kMeta, .dtype = at::kHalf});
  at::Tensor other;
  std::thread([&] { other = new_parameter({1}); }).join();
  EXPECT_TRUE(other.is_cpu());
  EXPECT_EQ(other.scalar_type(), at::kFloat);
  EXPECT_TRUE(new_parameter({1}).is_meta());
}

int64_t resident_bytes() {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Processor time, so that a busy machine does not fail the test.
double process_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

TEST(ParameterScope, BuildsElevenBillionParametersWithoutMemory) {  // L01
  auto config = architecture_of("llama").config();
  config->update(Json::parse(R"({"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
                                 "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 8})"),
                 "test");
  const int64_t memory_before = resident_bytes();
  const double begin = process_seconds();
  const ParameterScope scope({.device = at::kMeta});
  const auto model = find_model_class("LlamaForCausalLM")->make(config, Json::object());
  EXPECT_LT(process_seconds() - begin, 2.0);
  EXPECT_LT(resident_bytes() - memory_before, int64_t{200} << 20);
  ASSERT_GT(memory_before, 0);
  EXPECT_GT(model->num_parameters(), 11'000'000'000);
  for (const auto& parameter : model->parameters()) EXPECT_TRUE(parameter.is_meta());
}

struct Sample final : Module {
  Sample() {
    parameter("weight", &weight, {2});
    buffer("table", &table, at::arange(3), false);
    inner = child<Linear>("inner", {.in = 2, .out = 2});
    replaceable("inner", inner);
  }
  at::Tensor weight, table;
  Ref<Linear> inner;
};

TEST(Assign, ReplacesParameterAndMemberAtOnce) {  // L01
  Sample module;
  const auto value = at::ones({5});
  module.assign("weight", value);
  EXPECT_TRUE(module.weight.is_same(value));
  EXPECT_TRUE(module.named_parameters(false)["weight"].is_same(value));
}

TEST(Assign, ReplacesParametersOfLibtorchsModules) {  // L01
  Linear linear({.in = 2, .out = 2});
  const auto value = at::ones({2, 2});
  linear.assign("weight", value);
  EXPECT_TRUE(linear.weight.is_same(value));
  EXPECT_TRUE(linear.named_parameters()["weight"].is_same(value));
}

TEST(Assign, ReplacesBuffersAndMemberAtOnce) {  // L01
  Sample module;
  const auto value = at::arange(7);
  module.assign("table", value);
  EXPECT_TRUE(module.table.equal(value));
  EXPECT_TRUE(module.named_buffers(false)["table"].equal(value));
  EXPECT_EQ(module.non_persistent_buffers().count("table"), 1U);
}

TEST(Assign, RefusesANameThatTheModuleDoesNotHave) {
  Sample module;
  try {
    module.assign("wieght", at::ones({2}));
    ADD_FAILURE() << "assigned";
  } catch (const KeyError& error) {
    EXPECT_THAT(error.what(), HasSubstr("wieght"));
  }
  EXPECT_THROW(module.assign("inner.weight", at::ones({2})), KeyError);
}

TEST(Assign, ReplacesChildrenOfTheSameTypeOnly) {
  Sample module;
  const auto other = std::make_shared<Linear>(Linear::Options{.in = 2, .out = 6});
  module.assign_child("inner", other);
  EXPECT_EQ(module.inner.ptr(), other);
  EXPECT_EQ(module.named_children()["inner"], other);
  EXPECT_THROW(module.assign_child("inner", std::make_shared<LayerNorm>(LayerNorm::Options{.size = 2})), TypeError);
  EXPECT_EQ(module.inner.ptr(), other);
  EXPECT_EQ(module.named_children()["inner"], other);
  EXPECT_THROW(module.assign_child("outer", other), KeyError);
}

}  // namespace
}  // namespace transformers::nn
