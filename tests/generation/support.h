#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "transformers/generation/generate.h"

namespace transformers::testing {

[[nodiscard]] inline std::filesystem::path data_folder() { return TRANSFORMERS_TEST_DATA; }

/// Every tensor of a safetensors file by name, copied.
[[nodiscard]] std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& file);

/// One of the tiny models below tests/data, by class name.
[[nodiscard]] std::shared_ptr<PreTrainedModel> load_tiny(const std::string& class_name,
                                                         const std::filesystem::path& folder,
                                                         const std::filesystem::path& config = {});
[[nodiscard]] std::shared_ptr<PreTrainedModel> tiny_gpt2();
[[nodiscard]] std::shared_ptr<PreTrainedModel> tiny_t5();

/// int64 rows; all of one length.
[[nodiscard]] at::Tensor ids(const std::vector<std::vector<int64_t>>& rows);
/// `kwargs` from JSON text.
[[nodiscard]] GenerateOptions with(std::string_view kwargs);

}  // namespace transformers::testing
