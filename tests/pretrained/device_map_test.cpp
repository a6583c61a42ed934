#include "transformers/pretrained/device_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/placement/accelerators.h"
#include "transformers/pretrained/auto.h"

namespace transformers {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The T5 of L08: 67136 bytes in float32.
std::shared_ptr<PreTrainedModel> worked_example() {
  const auto config = AutoConfig::for_model("t5");
  config->update(Json::parse(R"({"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 3, "num_decoder_layers": 3,
                                 "num_heads": 2, "vocab_size": 64})"),
                 "the example");
  const nn::ParameterScope scope({.device = at::kMeta});
  return find_model_class("T5ForConditionalGeneration")->make(config, Json::object());
}

std::vector<std::string> lines(const DeviceMap& map) {
  std::vector<std::string> out;
  for (const auto& [name, device] : map) out.push_back(str(name, ": ", to_string(device)));
  std::sort(out.begin(), out.end());
  return out;
}

DeviceMap infer(const PreTrainedModel& model, const MaxMemory& limits) {
  return infer_auto_device_map(model, {.max_memory = limits});
}

TEST(DeviceMap, MatchesTheWorkedExamplesOfTheReference) {  // L07, L08
  const auto model = worked_example();
  EXPECT_EQ(measure(*model).bytes, 67136);
  EXPECT_EQ(lines(infer(*model, {{0, 60000}, {"cpu", 100000}})),
            (std::vector<std::string>{"decoder.block.0: 0", "decoder.block.1: cpu", "decoder.block.2: cpu",
                                      "decoder.dropout: cpu", "decoder.embed_tokens: 0",
                                      "decoder.final_layer_norm: cpu", "encoder: 0", "lm_head: 0", "shared: 0"}));
  EXPECT_EQ(lines(infer(*model, {{0, 20000}, {1, 20000}, {"cpu", 30000}})),
            (std::vector<std::string>{"decoder.block: disk", "decoder.dropout: disk", "decoder.embed_tokens: 0",
                                      "decoder.final_layer_norm: disk", "encoder.block.0: 1", "encoder.block.1: 1",
                                      "encoder.block.2: cpu", "encoder.dropout: cpu", "encoder.embed_tokens: 0",
                                      "encoder.final_layer_norm: cpu", "lm_head: 0", "shared: 0"}));
  logging::Capture log;
  logging::set_verbosity(logging::Level::Info);
  EXPECT_EQ(lines(infer(*model, {{0, 12000}, {"cpu", 100000}})), (std::vector<std::string>{": cpu"}));
  logging::set_verbosity(logging::Level::Warning);
  EXPECT_TRUE(log.contains("79872", logging::Level::Info));
}

TEST(DeviceMap, BalancesTheShareOfEachAccelerator) {  // L09
  const auto model = worked_example();
  const auto sizes = measure(*model);
  const auto rooms = [&](const std::string& strategy) {
    const auto budget = balance(sizes, device_budget(MaxMemory{{0, 100000}, {1, 100000}, {2, 100000}, {"cpu", 100000}}),
                                strategy, false, {"T5Block"});
    std::vector<int64_t> out;
    for (const auto& [device, bytes] : budget) out.push_back(bytes);
    return out;
  };
  EXPECT_EQ(rooms("balanced"), (std::vector<int64_t>{38298, 38298, 100000, 100000}));
  EXPECT_EQ(rooms("balanced_low_0"), (std::vector<int64_t>{0, 49488, 100000, 100000}));
  EXPECT_EQ(rooms("sequential"), (std::vector<int64_t>{100000, 100000, 100000, 100000}));
}

// Every case of the reference: eight classes under limits drawn at random.
TEST(DeviceMap, EqualsTheReferencesMaps) {  // L07–L09, L16
  const auto goldens = Json::parse_file(std::filesystem::path(TRANSFORMERS_TEST_DATA) / "device_maps.json");
  const logging::Capture quiet;
  for (const auto& golden : goldens.at("cases").as_array()) {
    const auto config = architecture_of(golden.at("model_type").as_string()).config();
    config->update(golden.at("config"), "the case");
    const nn::ParameterScope scope({.device = at::kMeta});
    const auto model = find_model_class(golden.at("class").as_string())->make(config, Json::object());
    MaxMemory limits;
    for (const auto& [device, bytes] : golden.at("max_memory").as_object())
      limits.set(device == "cpu" ? Device(device) : Device(std::stoll(device)), bytes.as_int());
    std::vector<std::string> expected;
    for (const auto& [name, device] : golden.at("map").as_object())
      expected.push_back(str(name, ": ", device.as_string()));
    std::sort(expected.begin(), expected.end());
    const auto map = resolve_device_map(*model, golden.at("strategy").as_string(), {.max_memory = limits});
    EXPECT_EQ(lines(map), expected) << golden.dump();
  }
}

TEST(DeviceMap, TakesEveryDocumentedFormOfAnArgument) {  // L04
  const auto only = [](const DeviceMapArg& arg) { return lines(explicit_device_map(arg)).at(0); };
  EXPECT_EQ(only("cpu"), ": cpu");
  EXPECT_EQ(only(at::Device(at::kCPU)), ": cpu");
  EXPECT_EQ(only(3), ": 3");
  EXPECT_EQ(only("cuda:1"), accelerator_count() > 0 ? ": 1" : ": cuda:1");
  EXPECT_EQ(lines(explicit_device_map(DeviceMap{{"encoder", 0}, {"decoder", "disk"}})),
            (std::vector<std::string>{"decoder: disk", "encoder: 0"}));
  const auto refusal = [](const DeviceMapArg& arg) -> std::string {
    try {
      (void)explicit_device_map(arg);
    } catch (const ValueError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal(-1), HasSubstr("cpu"));
  EXPECT_THAT(refusal("automatic"), AllOf(HasSubstr("'automatic'"), HasSubstr("balanced_low_0")));
  EXPECT_THAT(refusal(DeviceMap{}), HasSubstr("empty"));
}

TEST(DeviceMap, FindsTheLongestKeyOnDotBoundaries) {  // L06
  const DeviceMap map{{"", "cpu"}, {"layer.1", 1}, {"layer.10.attention", 2}};
  EXPECT_EQ(*find_device(map, "layer.1.weight"), Device(1));
  EXPECT_EQ(*find_device(map, "layer.10.weight"), Device("cpu"));
  EXPECT_EQ(*find_device(map, "layer.10.attention.q.weight"), Device(2));
  EXPECT_EQ(find_device({{"encoder", 0}}, "encoders.weight"), nullptr);
}

TEST(DeviceMap, RefusesAMapThatLeavesTensorsOut) {  // L06, V08
  const auto model = worked_example();
  const logging::Capture log;
  try {
    (void)resolve_device_map(*model,
                             DeviceMap{{"shared", "cpu"}, {"encoder", "cpu"}, {"lm_head", "cpu"}, {"nothing", 0}});
    FAIL() << "the decoder has no device";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("decoder.block.{0…2}"));
  }
  (void)resolve_device_map(*model, DeviceMap{{"", "cpu"}, {"lm_head", "disk"}, {"nothing", "cpu"}});
  EXPECT_TRUE(log.contains("nothing", logging::Level::Warning));
  EXPECT_TRUE(log.contains("tied parameters", logging::Level::Warning));
}

TEST(DeviceMap, ReadsLimitsOfMemory) {  // L10, S05
  const logging::Capture log;
  const auto budget = device_budget(MaxMemory{{"disk", "1GB"}, {"cpu", "2KB"}, {1, 7}, {0, "1GiB"}});
  ASSERT_EQ(budget.size(), 4U);
  EXPECT_EQ(budget[0], (std::pair<Device, int64_t>{0, int64_t{1} << 30}));
  EXPECT_EQ(budget[1], (std::pair<Device, int64_t>{1, 7}));
  EXPECT_EQ(budget[2], (std::pair<Device, int64_t>{"cpu", 2000}));
  EXPECT_TRUE(accelerator_count() > 0 || log.contains("accelerators 0, 1", logging::Level::Warning));
  EXPECT_THROW((void)device_budget(MaxMemory{{"gpu", 7}}), ValueError);
  EXPECT_THROW((void)device_budget(MaxMemory{{"cpu", -7}}), ValueError);
  EXPECT_GT(device_budget(std::nullopt).back().second, 0);
}

}  // namespace
}  // namespace transformers
