#include "transformers/pretrained/load_sharded.h"

#include <ATen/core/grad_mode.h>

#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/file_transaction.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/checkpoint/shard_index.h"
#include "transformers/modeling/model.h"
#include "transformers/nn/dtypes.h"
#include "transformers/nn/torch_errors.h"
#include "transformers/placement/materialize.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSafeIndex = "model.safetensors.index.json", kPickleIndex = "pytorch_model.bin.index.json";

fs::path choose_index(const fs::path& folder, bool prefer_safe) {
  finish_transactions(folder);
  std::error_code ignored;
  const auto safe = folder / kSafeIndex, pickle = folder / kPickleIndex;
  const bool has_safe = fs::is_regular_file(safe, ignored), has_pickle = fs::is_regular_file(pickle, ignored);
  if (!has_safe && !has_pickle)
    throw ValueError(str(folder, ": holds neither ", kPickleIndex, " nor ", kSafeIndex, "; name a folder of shards"));
  return has_safe && (prefer_safe || !has_pickle) ? safe : pickle;
}

IncompatibleKeys compare(const StateDict& state, const ShardIndex& index) {
  IncompatibleKeys out;
  std::unordered_set<std::string_view> listed;
  for (const auto& [key, shard] : index.weight_map) {
    listed.insert(key);
    if (!state.contains(key)) out.unexpected_keys.push_back(key);
  }
  for (const auto& [name, tensor] : state)
    if (!listed.contains(name)) out.missing_keys.push_back(name);
  return out;
}

std::string some(const std::vector<std::string>& keys) {
  constexpr size_t kMost = 20;
  auto names = fold_names(keys);
  const size_t more = names.size() > kMost ? names.size() - kMost : 0;
  names.resize(names.size() - more);
  return join(names, ", ") + (more > 0 ? str(" and ", more, " more") : std::string());
}

void refuse_differences(const torch::nn::Module& model, const ShardIndex& index, const IncompatibleKeys& keys) {
  std::vector<std::string> parts;
  if (!keys.missing_keys.empty()) parts.push_back(str("missing are ", some(keys.missing_keys)));
  if (!keys.unexpected_keys.empty()) parts.push_back(str("unexpected are ", some(keys.unexpected_keys)));
  if (parts.empty()) return;
  throw RuntimeError(str(index.file, ": its keys are not those of ", model.name(), ": ", join(parts, "; "),
                         "; set strict to false to load what they share"));
}

// The tensors that are filled, and which of them are parameters: integers in the place of those are no weights, while a
// counter that `Module::to` has made floating takes them.
struct Target {
  StateDict state = {};
  std::unordered_set<std::string> parameters = {};

  explicit Target(torch::nn::Module& model) : state(state_dict_of(model)) {
    for (const auto& item : model.named_parameters()) parameters.insert(item.key());
  }
  [[nodiscard]] bool takes(at::ScalarType from, const std::string& key) const {
    const bool is_floating = at::isFloatingType(state.at(key).scalar_type());
    return at::isFloatingType(from) ? is_floating : !is_floating || !parameters.contains(key);
  }
};

// What one shard gives to the module, checked before anything is copied.
struct Pair {
  at::Tensor target = {};
  const CheckpointEntry* entry = nullptr;
};

Pair checked_pair(const fs::path& file, const std::string& key, const CheckpointEntry* entry, const Target& model) {
  if (!entry) throw OSError(str(file, ": lacks ", quote(key), ", which the index places there"));
  const auto& target = model.state.at(key);
  const auto type = to_scalar_type(entry->dtype);
  if (at::IntArrayRef(entry->shape) != target.sizes())
    throw RuntimeError(transformers::str(file, ": ", quote(key), " is ", entry->shape, " in the checkpoint and ",
                                         target.sizes(), " in the model"));
  if (!type || !model.takes(*type, key))
    throw RuntimeError(str(file, ": ", quote(key), " is of type ", info(entry->dtype).name,
                           " in the checkpoint, the model has ", info(to_data_type(target.scalar_type())).name));
  if (target.is_meta())
    throw RuntimeError(str(quote(key), " is on the meta device, which holds no values; give it memory first"));
  return {target, entry};
}

void load_shard(const Target& model, const ShardIndex& index, const std::string& shard) {
  const auto file = index.path_of(shard);
  std::error_code ignored;
  if (!fs::exists(file, ignored))
    throw FileNotFoundError(str(file, ": this shard is missing, ", index.file.filename(), " needs it"));
  const auto reader = open_checkpoint(file);
  std::vector<Pair> pairs;
  for (const auto& [key, home] : index.weight_map)
    if (home == shard && model.state.contains(key)) pairs.push_back(checked_pair(file, key, reader->find(key), model));
  const at::NoGradGuard no_grad;
  for (auto& [target, entry] : pairs) {
    target.copy_(materialize(*reader, *entry, Op::Rename, 0, *to_scalar_type(entry->dtype)));
    reader->advise(*entry, Advice::Release);
  }
}

}  // namespace

IncompatibleKeys load_sharded_checkpoint(torch::nn::Module& model, const fs::path& folder,
                                         const LoadShardedOptions& options) {
  const auto index = read_shard_index(choose_index(folder, options.prefer_safe));
  const Target target(model);
  auto keys = compare(target.state, index);
  if (options.strict) refuse_differences(model, index, keys);
  without_torch_errors(folder.native(), [&] {
    for (const auto& shard : index.shards) load_shard(target, index, shard);
  });
  return keys;
}

}  // namespace transformers
