#include "transformers/pretrained/detail/state_dict_reader.h"

#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"

namespace transformers::detail {

namespace {

class StateDictReader final : public CheckpointReader {
 public:
  explicit StateDictReader(const StateDict& state) {
    for (const auto& [name, tensor] : state) {
      if (!tensor.defined() || tensor.is_meta())
        throw ValueError(transformers::str("state_dict: ", quote(name), " has no values"));
      entries_.push_back({.name = name,
                          .dtype = to_data_type(tensor.scalar_type()),
                          .shape = tensor.sizes().vec(),
                          .size_bytes = tensor.nbytes()});
      tensors_.emplace(name, tensor);
    }
  }

  [[nodiscard]] std::span<const CheckpointEntry> entries() const override { return entries_; }
  [[nodiscard]] const CheckpointEntry* find(std::string_view name) const override {
    for (const auto& entry : entries_)
      if (entry.name == name) return &entry;
    return nullptr;
  }
  [[nodiscard]] SharedBytes bytes(const CheckpointEntry& entry) const override {
    auto copy = std::make_shared<at::Tensor>(
        tensors_.at(entry.name).detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true).contiguous());
    const auto* data = static_cast<const std::byte*>(copy->const_data_ptr());
    return {{data, static_cast<size_t>(copy->nbytes())}, copy};
  }
  [[nodiscard]] std::span<const std::filesystem::path> files() const override { return {}; }
  [[nodiscard]] const Json& metadata() const override { return metadata_; }
  [[nodiscard]] std::string_view dialect() const override { return "transformers"; }

 private:
  std::vector<CheckpointEntry> entries_;
  std::unordered_map<std::string, at::Tensor> tensors_;
  Json metadata_ = Json::object();
};

}  // namespace

std::unique_ptr<CheckpointReader> open_state_dict(const StateDict& state) {
  return std::make_unique<StateDictReader>(state);
}

}  // namespace transformers::detail
