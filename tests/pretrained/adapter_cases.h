#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "golden.h"
#include "transformers/base/files.h"
#include "transformers/pretrained/adapters.h"

// The adapters of tests/data/adapters, which peft wrote.
namespace transformers::testing {

constexpr double kAdapterTolerance = 2e-6;  // of float32 sums in another order; C09 allows 1e-4

[[nodiscard]] const std::filesystem::path& adapters();
[[nodiscard]] std::vector<std::string> adapter_cases();
/// The model that the case's adapter was made for.
[[nodiscard]] std::filesystem::path base_folder(const std::string& name);
[[nodiscard]] std::shared_ptr<PreTrainedModel> load_base(const std::string& name,
                                                         const FromPretrainedOptions& options = {});
[[nodiscard]] ModelInputs inputs_of(const std::string& name);
/// What peft computed: "logits", or "without" the adapter.
[[nodiscard]] at::Tensor expected(const std::string& name, const std::string& what = "logits");
[[nodiscard]] at::Tensor logits_of(PreTrainedModel& model, const std::string& name);
/// Saves into the folder that TRANSFORMERS_WRITTEN_FILES names, where it does, for tests/tools/check_adapters.py.
void keep_for_peft(PreTrainedModel& model, const std::string& name, const at::Tensor& logits);

/// A folder with the files of a case, whose config can be changed.
struct CopiedAdapter {
  explicit CopiedAdapter(const std::string& name);
  const std::filesystem::path& write() {
    write_text_atomic(folder / "adapter_config.json", config.dump());
    return folder;
  }
  const std::filesystem::path& with(const std::string& key, Json value) {
    config[key] = std::move(value);
    return write();
  }
  TemporaryFolder temporary;
  std::filesystem::path folder = temporary.path / "adapter";
  Json config;
};

}  // namespace transformers::testing
