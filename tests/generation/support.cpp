#include "support.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <cstring>

#include "transformers/checkpoint/checkpoint.h"
#include "transformers/nn/dtypes.h"
#include "transformers/pretrained/load.h"

namespace transformers::testing {

std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& file) {
  const auto reader = open_checkpoint(file);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& entry : reader->entries()) {
    auto tensor = at::empty(entry.shape, *to_scalar_type(entry.dtype));
    const auto data = reader->bytes(entry);
    if (!data.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), data.bytes.data(), data.bytes.size());
    tensors.emplace(entry.name, tensor);
  }
  return tensors;
}

std::shared_ptr<PreTrainedModel> load_tiny(const std::string& class_name, const std::filesystem::path& folder,
                                           const std::filesystem::path& config) {
  FromPretrainedOptions options;
  if (!config.empty()) {
    const auto json = Json::parse_file(config);
    auto made = architecture_of(json.at("model_type").as_string()).config();
    made->update(json, config.native());
    options.config = made;
  }
  return load_pretrained(folder.string(), *find_model_class(class_name), options).model;
}

std::shared_ptr<PreTrainedModel> tiny_gpt2() {
  return load_tiny("GPT2LMHeadModel", data_folder() / "gpt2/models/GPT2LMHeadModel");
}

std::shared_ptr<PreTrainedModel> tiny_t5() {
  return load_tiny("T5ForConditionalGeneration", data_folder() / "t5/models/T5ForConditionalGeneration");
}

at::Tensor ids(const std::vector<std::vector<int64_t>>& rows) {
  std::vector<at::Tensor> tensors;
  for (const auto& row : rows) tensors.push_back(at::tensor(row, at::kLong));
  return at::stack(tensors);
}

GenerateOptions with(std::string_view kwargs) { return {.kwargs = Json::parse(kwargs)}; }

}  // namespace transformers::testing
