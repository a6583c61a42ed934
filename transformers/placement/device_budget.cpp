#include <algorithm>
#include <map>
#include <optional>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/memory.h"
#include "transformers/base/strings.h"
#include "transformers/placement/accelerators.h"
#include "transformers/placement/infer_device_map.h"

namespace transformers {

namespace {

// Accelerators ascending, mps, cpu, disk; absent for what is no place to put weights.
std::optional<int64_t> rank_of(const Device& device) {
  if (const auto* number = std::get_if<int64_t>(&device)) return *number;
  const auto* name = std::get_if<std::string>(&device);
  constexpr int64_t kAfterAccelerators = int64_t{1} << 32;
  if (name && *name == "mps") return kAfterAccelerators;
  if (name && *name == "cpu") return kAfterAccelerators + 1;
  if (name && *name == "disk") return kAfterAccelerators + 2;
  return std::nullopt;
}

DeviceBudget free_memory() {
  DeviceBudget budget;
  for (int64_t i = 0; i < accelerator_count(); ++i) budget.emplace_back(i, accelerator_free_bytes(i));
  budget.emplace_back("cpu", available_memory_bytes() / 10 * 9);
  return budget;
}

int64_t largest_leaf_bytes(const SizedModule& module) {
  int64_t own = 0;
  for (const auto& tensor : module.tensors) own += tensor.bytes;
  for (const auto& child : module.children) own = std::max(own, largest_leaf_bytes(child));
  return own;
}

int64_t largest_block_bytes(const SizedModule& module, const std::vector<std::string>& no_split) {
  if (std::find(no_split.begin(), no_split.end(), module.class_name) != no_split.end()) return module.bytes;
  int64_t most = 0;
  for (const auto& child : module.children) most = std::max(most, largest_block_bytes(child, no_split));
  return most;
}

}  // namespace

DeviceBudget device_budget(const std::optional<MaxMemory>& max_memory) {
  if (!max_memory) return free_memory();
  std::map<int64_t, std::pair<Device, int64_t>> sorted;
  std::vector<std::string> absent;
  for (const auto& [given, size] : *max_memory) {
    const auto device = canonical_device(given);
    const auto rank = rank_of(device);
    if (!rank)
      throw ValueError(str("max_memory: ", quote(to_string(device)),
                           " cannot hold weights; expected numbers of accelerators, mps, cpu, disk"));
    const auto* bytes = std::get_if<int64_t>(&size);
    if (bytes && *bytes < 0)
      throw ValueError(str("max_memory: ", *bytes, " bytes for ", to_string(device), ", expected none or more"));
    sorted[*rank] = {device, bytes ? *bytes : parse_size(size)};
  }
  for (const auto& [rank, row] : sorted)
    if (std::holds_alternative<int64_t>(row.first) && rank >= accelerator_count())
      absent.push_back(to_string(row.first));
  if (!absent.empty())
    logging::warning(
        str("max_memory names the accelerators ", join(absent, ", "), ", this process has ", accelerator_count()));
  DeviceBudget budget;
  for (auto& [rank, row] : sorted) budget.push_back(std::move(row));
  return budget;
}

DeviceBudget balance(const SizedModule& model, DeviceBudget budget, const std::string& strategy, bool is_default,
                     const std::vector<std::string>& no_split) {
  if (strategy == "sequential") return budget;
  std::vector<int64_t*> rooms;  // of the accelerators in use
  for (auto& [device, bytes] : budget)
    if (std::holds_alternative<int64_t>(device) && bytes > 0) rooms.push_back(&bytes);
  if (rooms.empty()) return budget;
  const auto count = static_cast<int64_t>(rooms.size());
  if (count == 1) {
    if (is_default) *rooms[0] = *rooms[0] / 10 * 9;
    return budget;
  }
  const bool spares_first = strategy == "balanced_low_0";
  const auto block = std::max(largest_block_bytes(model, no_split), largest_leaf_bytes(model));
  const auto share =
      model.bytes / (spares_first ? count - 1 : count) + static_cast<int64_t>(1.25 * static_cast<double>(block));
  for (size_t i = spares_first ? 1 : 0; i + 1 < rooms.size(); ++i) *rooms[i] = std::min(share, *rooms[i]);
  if (spares_first) {
    int64_t others = 0;
    for (size_t i = 1; i < rooms.size(); ++i) others += *rooms[i];
    *rooms[0] = std::min(*rooms[0], std::max<int64_t>(0, model.bytes - others));
  }
  return budget;
}

}  // namespace transformers
