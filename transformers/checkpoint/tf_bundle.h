#pragma once

#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// TensorFlow checkpoints of format V2: `<prefix>.index` and `<prefix>.data-0000i-of-0000n`, of TF 1 (variables under
/// their names) and of TF 2 (under paths of objects, `….ATTRIBUTES/VARIABLE_VALUE`). The reader opens the index, or any
/// path `<prefix>` beside which one lies; variables that were saved in slices appear whole. Slots of optimizers and
/// `global_step` are entries like others. Strings and other things that are no tensors are named in the metadata.
extern const CheckpointFormat tf_bundle_format;

/// Writes `<prefix>.index`, which `file` must be called, and one data file, byte for byte as tf.train.Saver does. The
/// index appears last, so a crash leaves the old checkpoint or the new one; for that, a new one beside an old gets
/// another name for its data (`-of-00002`), and the old data goes after the new index is in place. The format has no
/// room for metadata: it is dropped. Throws ValueError for a dtype that TensorFlow has not, bytes of the wrong size, a
/// name that is empty or holds a NUL.
void write_tf_bundle(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                     const Json& metadata = Json::object());

}  // namespace transformers
