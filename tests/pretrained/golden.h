#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/modeling/outputs.h"

namespace transformers::testing {

/// Removed with everything in it when the test ends.
struct TemporaryFolder {
  TemporaryFolder();
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

/// tests/data; see its README for the layout.
[[nodiscard]] std::filesystem::path data_folder();

/// The folders of tests/data that hold model cases.
[[nodiscard]] std::vector<std::string> golden_folders();

/// Every tensor of a safetensors file by name, copied.
[[nodiscard]] std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& file);

/// "" when `found` is within `tolerance` of `expected` wherever that is no NaN; else the first difference, the largest
/// one and both shapes.
[[nodiscard]] std::string difference(const at::Tensor& found, const at::Tensor& expected, double tolerance);

/// What an exception of this kind says.
template <class Kind, class Run>
[[nodiscard]] std::string refusal(const Run& run) {
  try {
    run();
  } catch (const Kind& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace transformers::testing
