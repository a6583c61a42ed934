#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/checkpoint/detail/mapped_reader.h"
#include "transformers/checkpoint/detail/sharded.h"
#include "transformers/checkpoint/flax.h"
#include "transformers/checkpoint/gguf.h"
#include "transformers/checkpoint/keras_h5.h"
#include "transformers/checkpoint/pickle.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/checkpoint/tf_bundle.h"

namespace transformers {
namespace {

// Alphabetical; a format is a file pair and a line here.
constexpr const CheckpointFormat* kFormats[] = {
    &flax_format, &gguf_format, &keras_format, &pytorch_format, &safetensors_format, &tf_bundle_format,
};

// Weights that we know by name and cannot read, so that the error says so instead of calling them damaged.
struct UnreadFormat {
  std::string_view extension, name;
};
constexpr UnreadFormat kUnreadFormats[] = {
    {".ckpt", "TensorFlow 1 checkpoints"},
    {".keras", "Keras archives"},
    {".npz", "NumPy archives"},
    {".onnx", "ONNX"},
};

std::string known_formats() {
  std::vector<std::string_view> names;
  for (const auto* format : kFormats) names.push_back(format->name);
  return join(names, ", ");
}

[[noreturn]] void refuse(const std::filesystem::path& file) {
  const auto* unread = std::find_if(std::begin(kUnreadFormats), std::end(kUnreadFormats),
                                    [&](const UnreadFormat& row) { return file.extension() == row.extension; });
  if (unread != std::end(kUnreadFormats))
    throw OSError(str(file, ": reading ", unread->name, " is not in this version, which reads ", known_formats()));
  throw OSError(str(file, ": is in no known format of weights; this version reads ", known_formats()));
}

}  // namespace

std::span<const CheckpointFormat* const> checkpoint_formats() { return kFormats; }

std::unique_ptr<CheckpointReader> open_checkpoint(const std::filesystem::path& file) {
  if (is_shard_index(file.filename().native())) return detail::open_sharded(file);
  // A TensorFlow checkpoint is mostly named by its prefix, which is no file.
  if (auto index = file; !std::filesystem::exists(file) && std::filesystem::exists(index += ".index"))
    return open_checkpoint(index);
  const auto mapped = detail::map_weights(file);
  const auto head = mapped->bytes().first(std::min<size_t>(mapped->bytes().size(), 16));
  for (const auto* format : kFormats)
    if (format->matches(head, file)) return format->open(file);
  refuse(file);
}

}  // namespace transformers
