#include "apps/cli/torch/tensors.h"

#include <ATen/ops/empty.h>

#include <cstring>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/nn/dtypes.h"

namespace transformers::cli {

NamedTensors read_tensors(const std::filesystem::path& file) {
  const auto reader = open_checkpoint(file);
  if (reader->dialect() == "gguf") throw ValueError(str(file, ": is a GGUF file, expected tensors as safetensors"));
  NamedTensors tensors;
  for (const auto& entry : reader->entries()) {
    const auto type = to_scalar_type(entry.dtype);
    if (!type)
      throw ValueError(
          str(file, ": ", quote(entry.name), " has the dtype ", info(entry.dtype).name, ", which no model takes"));
    auto tensor = at::empty(entry.shape, *type);
    const auto held = reader->bytes(entry);
    if (!held.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), held.bytes.data(), held.bytes.size());
    tensors.emplace_back(entry.name, std::move(tensor));
  }
  return tensors;
}

ModelInputs model_inputs(const NamedTensors& tensors, at::ScalarType dtype, const std::string& file) {
  ModelInputs inputs;
  for (const auto& [name, tensor] : tensors) {
    try {
      const bool is_bool = tensor.scalar_type() == at::kBool;  // stays so: the model tells masks from ids
      inputs.at(name) = tensor.is_floating_point() ? tensor.to(dtype) : is_bool ? tensor : tensor.to(at::kLong);
    } catch (const ValueError& error) {
      throw ValueError(str(file, ": ", error.what()));
    }
  }
  return inputs;
}

void write_tensors(const std::filesystem::path& file, const NamedTensors& tensors) {
  std::vector<CheckpointWriteEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = [tensor = tensor] {
      const auto dense = std::make_shared<at::Tensor>(tensor.contiguous());
      const auto* data = static_cast<const std::byte*>(dense->const_data_ptr());
      return SharedBytes{.bytes = {data, static_cast<size_t>(dense->nbytes())}, .owner = dense};
    };
    entries.push_back(
        {.name = name, .dtype = to_data_type(tensor.scalar_type()), .shape = tensor.sizes().vec(), .bytes = bytes});
  }
  write_safetensors(file, entries);
}

}  // namespace transformers::cli
