#include "adapter_cases.h"

#include <ATen/core/grad_mode.h>

#include "transformers/checkpoint/safetensors.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/save.h"

namespace transformers::testing {

namespace fs = std::filesystem;

const fs::path& adapters() {
  static const fs::path folder = data_folder() / "adapters";
  return folder;
}

static const Json& cases() {
  static const Json json = Json::parse_file(adapters() / "adapters.json").at("cases");
  return json;
}

std::vector<std::string> adapter_cases() {
  std::vector<std::string> names;
  for (const auto& [name, row] : cases().as_object()) names.push_back(name);
  return names;
}

fs::path base_folder(const std::string& name) { return data_folder() / cases().at(name).at("model").as_string(); }

std::shared_ptr<PreTrainedModel> load_base(const std::string& name, const FromPretrainedOptions& options) {
  return load_by_class_name(base_folder(name).string(), cases().at(name).at("class").as_string(), options);
}

ModelInputs inputs_of(const std::string& name) {
  static const auto tensors = read_tensors(adapters() / "inputs.safetensors");
  ModelInputs inputs{.input_ids = tensors.at(name + "/input_ids")};
  if (const auto found = tensors.find(name + "/decoder_input_ids"); found != tensors.end())
    inputs.decoder_input_ids = found->second;
  return inputs;
}

at::Tensor expected(const std::string& name, const std::string& what) {
  static const auto tensors = read_tensors(adapters() / "outputs.safetensors");
  return tensors.at(name + "/" + what);
}

at::Tensor logits_of(PreTrainedModel& model, const std::string& name) {
  const at::NoGradGuard no_grad;
  return model.forward(inputs_of(name)).logits;
}

CopiedAdapter::CopiedAdapter(const std::string& name) {
  fs::copy(adapters() / name, folder, fs::copy_options::recursive);
  config = Json::parse_file(folder / "adapter_config.json");
}

void keep_for_peft(PreTrainedModel& model, const std::string& name, const at::Tensor& logits) {
  const auto folder = environment("TRANSFORMERS_WRITTEN_FILES");
  if (folder.empty()) return;
  model.save_pretrained(fs::path(folder) / name);
  const auto held = logits.contiguous();
  const CheckpointWriteEntry entry{.name = "logits", .shape = held.sizes().vec(), .bytes = [held] {
                                     return SharedBytes{
                                         {static_cast<const std::byte*>(held.const_data_ptr()), held.nbytes()},
                                         std::make_shared<at::Tensor>(held)};
                                   }};
  write_safetensors(fs::path(folder) / name / "expected_logits.safetensors", {&entry, 1});
}

}  // namespace transformers::testing
