#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/checkpoint/detail/pickle_machine.h"

namespace transformers::detail {

/// A storage as a pickle refers to it.
struct TorchStorage {
  std::string_view key = {};
  uint64_t size_bytes = 0;
};

/// One tensor of a state dict as its pickle describes it; nothing is checked against the storage yet.
struct TorchTensor {
  std::string_view name = {};
  DataType dtype = DataType::F32;
  std::vector<int64_t> shape = {}, strides = {};  // strides in elements
  int64_t first = 0;                              // element of the storage at which it begins
  TorchStorage storage = {};
};

struct TorchState {
  std::vector<TorchTensor> tensors = {};
  std::vector<std::string_view> unread = {};  // names beside them that hold something else
  std::string_view wrapped_in = {};           // the key under which the state dict lies; empty when it is the whole
};

/// The state dict that a pickle holds: a dict from names to tensors, or one that lies under `state_dict` or another of
/// the usual names. Throws ValueError when it holds none or something that cannot be read, OSError for damage.
[[nodiscard]] TorchState read_torch_state(const Pickle& pickle, const std::filesystem::path& file);

/// What a node of kind Storage says; throws OSError for nonsense.
[[nodiscard]] TorchStorage read_torch_storage(const Pickle& pickle, const PickleNode& node,
                                              const std::filesystem::path& file);

}  // namespace transformers::detail
