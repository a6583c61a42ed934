#pragma once

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// PyTorch's `.bin`, `.pt`, `.pth` and `.ckpt`, as torch.save writes a state dict: the zip form (torch 1.6 and later)
/// and the plain form before it. The pickle inside is read as data by a fixed grammar (S08): a name outside a short
/// list is a ValueError and nothing is ever called. Tensors lie in the mapping, also those that share a storage; one
/// whose strides are not row-major is copied when it is asked for. Metadata: `wrapped_in`, the key under which a
/// trainer put the state dict, and `unread`, the names beside the tensors that hold something else.
extern const CheckpointFormat pytorch_format;

/// Writes the zip form atomically; torch.load(weights_only=True) opens it, also with mmap=True. Entries with `alias_of`
/// share a storage. The format has no place for `metadata`, which is left out. Throws ValueError for block-quantised
/// types, names that occur twice or are not UTF-8, bytes of the wrong size, an alias that fits nothing before it.
void write_pytorch(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                   const Json& metadata = Json::object());

/// Opens the file and compares the checksum of everything in it, which opening alone leaves out; the plain form has no
/// checksums. Throws as `open` does, and OSError naming what is damaged.
void verify_pytorch(const std::filesystem::path& file);

}  // namespace transformers
