#include "transformers/checkpoint/weights_files.h"

#include <algorithm>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/file_transaction.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/checkpoint/sharded_writer.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

constexpr WeightsName kNames[] = {
    {"model.safetensors", "safetensors"},
    {"model.safetensors.index.json", "safetensors"},
    {"pytorch_model.bin", "pytorch"},
    {"pytorch_model.bin.index.json", "pytorch"},
    {"tf_model.h5", "keras"},
    {"tf_model.h5.index.json", "keras"},
    {"flax_model.msgpack", "flax"},
    {"flax_model.msgpack.index.json", "flax"},
    {"model.ckpt.index", "tf_bundle"},
    {.file = "adapter_model.safetensors", .format = "safetensors", .is_adapter = true},
    {.file = "adapter_model.bin", .format = "pytorch", .is_adapter = true},
};

// What a trainer leaves beside the weights under their extensions.
constexpr std::string_view kNoWeights[] = {"optimizer", "random_states", "rng_state",
                                           "scaler",    "scheduler",     "training_args"};

bool is_adapter_name(std::string_view name) {
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](const WeightsName& row) { return row.is_adapter && row.file == name; });
}

}  // namespace

std::span<const WeightsName> weights_names() { return kNames; }

bool is_weights_file(const fs::path& file) {
  const std::string name = file.filename();
  const auto formats = checkpoint_formats();
  return std::any_of(formats.begin(), formats.end(),
                     [&](const CheckpointFormat* format) { return file.extension() == format->extension; }) &&
         std::none_of(std::begin(kNoWeights), std::end(kNoWeights),
                      [&](std::string_view start) { return name.starts_with(start); });
}

std::vector<fs::path> list_weights(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored))
    if (is_weights_file(it->path()) && it->is_regular_file(ignored)) found.push_back(it->path());
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<fs::path> find_weights(const fs::path& folder, const std::optional<std::string>& variant) {
  finish_transactions(folder);
  std::error_code ignored;
  for (const auto& row : kNames)
    if (auto file = folder / with_variant(row.file, variant); !row.is_adapter && fs::is_regular_file(file, ignored))
      return file;
  if (variant) return std::nullopt;
  auto found = list_weights(folder);
  std::erase_if(found, [](const fs::path& file) { return is_adapter_name(file.filename().native()); });
  if (found.empty()) return std::nullopt;
  if (found.size() == 1) return found.front();
  std::vector<std::string> names;
  for (const auto& file : found) names.push_back(file.filename());
  throw OSError(str(folder, ": holds several files of weights (", join(names, ", "), "); name the one that is meant"));
}

}  // namespace transformers
