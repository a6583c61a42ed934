#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "transformers/base/files.h"
#include "transformers/checkpoint/detail/pickle_machine.h"

namespace transformers::detail {

/// A run of bytes of a file, inside it, and their CRC-32 where the file states it.
struct ByteRange {
  uint64_t offset = 0, size_bytes = 0;
  std::optional<uint32_t> crc = {};
};

/// What torch.save wrote, whatever the container: the pickle, and where the storages that it names lie.
struct TorchFile {
  Pickle pickle = {};
  std::function<std::optional<ByteRange>(std::string_view key)> find_storage = {};
};

/// Opens the zip form (torch 1.6 and later) or the plain form before it. Throws OSError for what is damaged, is of the
/// tar form of torch before 0.2, or is no file of torch.save; ValueError for a TorchScript program, and for a pickle
/// that asks for more than weights.
[[nodiscard]] TorchFile open_torch_file(const std::shared_ptr<const MappedFile>& mapped);

}  // namespace transformers::detail
