#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "transformers/modeling/model.h"
#include "transformers/nn/module.h"

namespace transformers::nn {
namespace {

struct Doubling final : Module {
  at::Tensor forward(const at::Tensor& x) {
    ++calls;
    if (fails) throw std::runtime_error("no result");
    return x * 2;
  }
  int calls = 0;
  bool fails = false;
};

/// Writes what it sees into a log, and may change the tensors.
struct Recorder final : Hook {
  using Change = std::function<void(at::Tensor&)>;
  Recorder(std::string its_name, std::vector<std::string>& its_log) : name(std::move(its_name)), log(its_log) {}
  void before(torch::nn::Module&, const Tensors& arguments) override {
    log.push_back(name + " before");
    if (change_argument) change_argument(*arguments.at(0));
    if (on_before) on_before();
  }
  void after(torch::nn::Module&, const Tensors& results) override {
    log.push_back(name + " after");
    if (change_result) change_result(*results.at(0));
  }
  void failed(torch::nn::Module&) noexcept override { log.push_back(name + " failed"); }
  std::string name;
  std::vector<std::string>& log;
  Change change_argument = {}, change_result = {};
  std::function<void()> on_before = {};
};

using Log = std::vector<std::string>;

struct HookTest : ::testing::Test {
  std::shared_ptr<Recorder> add(const std::string& name) {
    auto hook = std::make_shared<Recorder>(name, log);
    module->add_hook(hook);
    return hook;
  }
  Log log;
  Ref<Doubling> module = std::make_shared<Doubling>();
  at::Tensor x = at::ones({3});
};

TEST_F(HookTest, RunInOrderAndEndInReverse) {  // L11
  const auto outer = add("outer"), inner = add("inner");
  EXPECT_TRUE(module(x).equal(at::full({3}, 2.0)));
  EXPECT_EQ(log, (Log{"outer before", "inner before", "inner after", "outer after"}));
  EXPECT_EQ(module->calls, 1);
}

TEST_F(HookTest, MayReplaceArgumentsAndResults) {  // L11
  const auto hook = add("hook");
  hook->change_argument = [](at::Tensor& argument) { argument = argument + 4; };
  hook->change_result = [](at::Tensor& result) { result = result + 0.5; };
  EXPECT_TRUE(module(x).equal(at::full({3}, 10.5)));
  EXPECT_TRUE(x.equal(at::ones({3}))) << "the tensor of the caller is another handle";
}

TEST_F(HookTest, SeeWhatTheOneBeforeLeft) {
  add("outer")->change_argument = [](at::Tensor& argument) { argument = argument + 1; };
  add("inner")->change_argument = [](at::Tensor& argument) { argument = argument * 3; };
  EXPECT_TRUE(module(x).equal(at::full({3}, 12.0)));
}

TEST_F(HookTest, DoNotRunOnceRemoved) {  // L11
  const auto gone = add("gone"), kept = add("kept");
  module->remove_hook(gone.get());
  static_cast<void>(module(x));
  EXPECT_EQ(log, (Log{"kept before", "kept after"}));
  module->remove_hook(kept.get());
  EXPECT_TRUE(module->hooks().empty());
  EXPECT_TRUE(module(x).equal(at::full({3}, 2.0)));
  EXPECT_EQ(log.size(), 2U);
}

TEST_F(HookTest, MayRemoveThemselvesWhileTheyRun) {
  const auto once = add("once");
  once->on_before = [&] { module->remove_hook(once.get()); };
  static_cast<void>(module(x));
  static_cast<void>(module(x));
  EXPECT_EQ(log, (Log{"once before", "once after"}));
}

TEST_F(HookTest, AreToldWhenTheCallThrows) {
  const auto outer = add("outer"), inner = add("inner");
  module->fails = true;
  EXPECT_THROW(static_cast<void>(module(x)), std::runtime_error);
  EXPECT_EQ(log, (Log{"outer before", "inner before", "inner failed", "outer failed"}));
}

std::shared_ptr<PreTrainedModel> tiny_llama() {
  auto config = architecture_of("llama").config();
  config->update(Json::parse(R"({"vocab_size": 16, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
                                 "num_attention_heads": 2, "num_key_value_heads": 1})"),
                 "test");
  return find_model_class("LlamaForCausalLM")->make(config, Json::object());
}

TEST(ModelHooks, RunOnceForABodyInsideAModelAndForTheModelItself) {  // L11
  const auto model = tiny_llama();
  Log log;
  ASSERT_NE(&model->base_model(), model.get());
  model->add_hook(std::make_shared<Recorder>("model", log));
  model->base_model().add_hook(std::make_shared<Recorder>("body", log));
  const ModelInputs inputs{.input_ids = at::ones({1, 3}, at::kLong)};
  static_cast<void>(model->forward(inputs));
  const Log once = {"model before", "body before", "body after", "model after"};
  EXPECT_EQ(log, once);
  log.clear();
  static_cast<void>((*model)(inputs));
  EXPECT_EQ(log, once);
}

TEST(ModelHooks, MayReplaceTheInputsOfTheModel) {  // L11
  const auto model = tiny_llama();
  const auto ids = at::full({1, 3}, 5, at::kLong), others = at::full({1, 3}, 7, at::kLong);
  const auto expected = model->forward({.input_ids = others}).logits;
  ASSERT_FALSE(model->forward({.input_ids = ids}).logits.allclose(expected));
  Log log;
  const auto hook = std::make_shared<Recorder>("model", log);
  hook->change_argument = [&](at::Tensor& argument) { argument = others; };
  model->add_hook(hook);
  EXPECT_TRUE(model->forward({.input_ids = ids}).logits.allclose(expected));
  model->remove_hook(hook.get());
  EXPECT_FALSE(model->forward({.input_ids = ids}).logits.allclose(expected));
}

}  // namespace
}  // namespace transformers::nn
