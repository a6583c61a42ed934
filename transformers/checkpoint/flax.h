#pragma once

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// Flax's msgpack (`flax.serialization`): maps in maps, arrays as extensions, larger ones in pieces. An entry is called
/// by its keys joined with ".", in the order of the file: `bert.encoder.layer.0.attention.self.query.kernel`. A "."
/// inside a key reads `%2E`, a "%" `%25`, so that a name splits back into its keys. Leaves that are no arrays (a step
/// count) are the reader's metadata under such names; complex numbers are lists of two.
extern const CheckpointFormat flax_format;

/// Flax cuts arrays above this many bytes into pieces.
inline constexpr uint64_t kFlaxMostChunkBytes = uint64_t{1} << 30;

/// Writes the bytes that `flax.serialization.to_bytes` writes for the tree of these names; keys keep the order in which
/// they first occur. The format has no place for metadata. Atomic. Throws ValueError for a name that is both a leaf and
/// a map, deeper than 128 keys or no UTF-8, a quantised dtype, bytes of the wrong size.
void write_flax(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                uint64_t most_chunk_bytes = kFlaxMostChunkBytes);

}  // namespace transformers
