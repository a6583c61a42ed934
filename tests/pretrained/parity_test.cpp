// The one suite for all architectures: whatever lies in tests/data is loaded and run (C09, P57–P68, A02–A04, X18).
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "golden.h"
#include "tests/support/test_device.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/pretrained/auto.h"

namespace transformers::testing {
namespace {

struct Folder {
  std::filesystem::path path;
  Json cases;
  std::map<std::string, at::Tensor> inputs, outputs;
};

const Folder& folder(const std::string& name) {
  static std::map<std::string, Folder> loaded;
  const auto [it, fresh] = loaded.try_emplace(name);
  if (fresh) {
    auto& f = it->second;
    f.path = data_folder() / name;
    f.cases = Json::parse_file(f.path / "cases.json");
    f.inputs = read_tensors(f.path / "inputs.safetensors");
    f.outputs = read_tensors(f.path / "outputs.safetensors");
  }
  return it->second;
}

void set_option(ModelInputs& inputs, const std::string& name, const Json& value) {
  if (name == "output_hidden_states")
    inputs.output_hidden_states = value.as_bool();
  else if (name == "output_attentions")
    inputs.output_attentions = value.as_bool();
  else if (name == "use_cache")
    inputs.use_cache = value.as_bool();
  else if (name == "interpolate_pos_encoding")
    inputs.interpolate_pos_encoding = value.as_bool();
  else if (name == "logits_to_keep")
    inputs.logits_to_keep = value.as_int();
  else
    FAIL() << "unknown option " << name;
}

ModelInputs step_inputs(const Folder& f, const std::string& prefix, const Json& step, const ModelOutput& before,
                        at::ScalarType dtype, at::Device device) {
  ModelInputs inputs;
  for (const auto& name : step.at("inputs").as_array()) {
    auto tensor = f.inputs.at(prefix + name.as_string());
    if (at::isFloatingType(tensor.scalar_type())) tensor = tensor.to(dtype);
    inputs.at(name.as_string()) = tensor.to(device);
  }
  if (const auto* options = step.find("options"))
    for (const auto& [name, value] : options->as_object()) set_option(inputs, name, value);
  if (const auto* reuse = step.find("reuse"))
    for (const auto& name : reuse->as_array()) {
      if (name.as_string() == "past_key_values") inputs.past_key_values = before.past_key_values;
      if (name.as_string() == "encoder_outputs") inputs.encoder_outputs = before.encoder_last_hidden_state;
    }
  return inputs;
}

std::shared_ptr<PreTrainedModel> load(const Folder& f, const Json& test, const std::string& attention,
                                      FromPretrainedOptions options) {
  options.attn_implementation = attention;
  options.dtype = test.get("dtype", "float32");
  if (const auto* config = test.find("config")) options.config = f.path / config->as_string();
  if (const auto* construct = test.find("construct")) options.kwargs = *construct;
  return load_by_class_name((f.path / test.at("model").as_string()).string(), test.at("class").as_string(), options)
      .model;
}

// Runs one case under one attention implementation; the differences found.
std::vector<std::string> run_case(const Folder& f, const Json& test, const std::string& attention,
                                  const FromPretrainedOptions& options = {}) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> failures;
  const auto id = test.at("id").as_string();
  const auto model = load(f, test, attention, options);
  EXPECT_FALSE(model->is_training());
  const auto device = model->dispatch ? at::Device(at::kCPU) : model->device();  // a dispatched model moves its inputs
  ModelOutput before;
  const auto& steps = test.at("steps").as_array();
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto prefix = str(id, "/", i, "/");
    const auto output = model->forward(step_inputs(f, prefix, steps[i], before, model->dtype(), device));
    std::map<std::string, at::Tensor> found;
    for (const auto& [name, tensor] : output.flatten()) found.emplace(name, tensor.cpu());
    for (const auto& name : steps[i].at("outputs").as_array()) {
      const auto it = found.find(name.as_string());
      const auto text = it == found.end() ? std::string("is absent")
                                          : difference(it->second, f.outputs.at(prefix + name.as_string()),
                                                       test.at("tolerance").as_double());
      if (!text.empty()) failures.push_back(str(id, " (", attention, ") step ", i, " ", name.as_string(), ": ", text));
      if (it != found.end()) found.erase(it);
    }
    for (const auto& [name, tensor] : found)
      failures.push_back(str(id, " (", attention, ") step ", i, " ", name, ": not expected"));
    before = output;
  }
  return failures;
}

class Parity : public ::testing::TestWithParam<std::string> {};

TEST_P(Parity, ForwardEqualsTheReferenceInEveryCase) {
  const auto& f = folder(GetParam());
  const logging::Capture quiet;
  size_t runs = 0;
  for (const auto& test : f.cases.at("cases").as_array())
    for (const auto& attention : test.at("attn").as_array()) {
      ++runs;
      try {
        for (const auto& failure : run_case(f, test, attention.as_string())) ADD_FAILURE() << failure;
      } catch (const std::exception& error) {
        ADD_FAILURE() << test.at("id").as_string() << " (" << attention.as_string() << "): " << error.what();
      }
    }
  EXPECT_GT(runs, 0u);
}

// Where the weights lie changes nothing but the place: maps over three accelerators, the CPU and the disk.
std::vector<FromPretrainedOptions> placements(const Folder& f, const Json& test) {
  const auto bytes = load(f, test, "sdpa", {})->get_memory_footprint();
  const auto part = [&](double share) { return static_cast<int64_t>(share * static_cast<double>(bytes)); };
  return {{.device_map = DeviceMap{{"", "disk"}}},
          {.device_map = DeviceMap{{"", 1}}},
          {.device_map = "balanced", .max_memory = MaxMemory{{0, bytes}, {1, bytes}, {2, bytes}, {"cpu", bytes}}},
          {.device_map = "sequential", .max_memory = MaxMemory{{0, part(0.6)}, {1, part(0.2)}, {"cpu", part(0.4)}}},
          {.device_map = "auto", .max_memory = MaxMemory{{"cpu", part(0.5)}}, .offload_buffers = true}};
}

std::string map_of(const FromPretrainedOptions& options, const Folder& f, const Json& test) {
  std::string text;
  const auto model = load(f, test, "sdpa", options);
  for (const auto& [name, device] : *model->hf_device_map) text += str(name, ":", to_string(device), " ");
  return text;
}

TEST_P(Parity, ForwardIsTheSameWhereverTheWeightsLie) {  // L06, L11–L13
  register_test_devices();
  const auto& f = folder(GetParam());
  const logging::Capture quiet;
  std::set<std::string> classes;
  for (const auto& test : f.cases.at("cases").as_array()) {
    const auto attention = test.at("attn").as_array().front().as_string();
    if (!classes.insert(test.at("class").as_string() + attention).second) continue;  // once per class
    for (auto options : placements(f, test)) {
      const TemporaryFolder folder;
      options.offload_folder = folder.path;
      try {
        for (const auto& failure : run_case(f, test, attention, options)) ADD_FAILURE() << failure;
      } catch (const std::exception& error) {
        ADD_FAILURE() << test.at("id").as_string() << " (" << attention << ") " << map_of(options, f, test) << ": "
                      << error.what();
      }
    }
  }
  EXPECT_FALSE(classes.empty());
}

INSTANTIATE_TEST_SUITE_P(Goldens, Parity, ::testing::ValuesIn(golden_folders()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace transformers::testing
