#include "transformers/pretrained/save.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>

#include <limits>
#include <map>
#include <set>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/file_transaction.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/pickle.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/checkpoint/sharded_writer.h"
#include "transformers/config/generation_config.h"
#include "transformers/config/lora_config.h"
#include "transformers/mapping/ops.h"
#include "transformers/nn/dtypes.h"
#include "transformers/nn/torch_errors.h"
#include "transformers/placement/dispatch.h"
#include "transformers/pretrained/detail/file_names.h"
#include "transformers/pretrained/detail/save_files.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

// The memory that a tensor's elements lie in; equal for tensors that are one parameter.
using Extent = std::pair<const void*, size_t>;

Extent extent(const at::Tensor& tensor) { return {tensor.const_data_ptr(), static_cast<size_t>(tensor.nbytes())}; }

const WeightStore* offloaded_weights(const PreTrainedModel& model) {
  return model.dispatch ? &model.dispatch->weights() : nullptr;
}

// True for two names of one offloaded weight, and for an offloaded one whose twin stands on a device.
bool same_weight(const PreTrainedModel& model, const StateDict& state, const std::string& a, const std::string& b) {
  const auto* weights = offloaded_weights(model);
  if (!weights || (!weights->contains(a) && !weights->contains(b))) return false;
  if (weights->contains(a) && weights->contains(b)) return weights->source_of(a) == weights->source_of(b);
  const auto value = [&](const std::string& name) {
    return weights->contains(name) ? weights->load(name) : state.at(name).detach().cpu();
  };
  return at::equal(value(a), value(b));
}

// The names of tensors that are one parameter, by declaration or by memory: name → the one that holds the bytes. Memory
// that is shared and not declared is an error now, not a surprise when the file is loaded.
std::map<std::string, std::string> find_aliases(const PreTrainedModel& model, const StateDict& state) {
  const auto ties = model.all_tied_weights_keys();
  std::map<std::string, std::string> aliases;
  std::map<Extent, std::string> owners;
  std::vector<std::string> undeclared;
  for (const auto& [name, tensor] : state) {
    const auto* source = ties.find(name);
    const auto* original = source ? state.find(*source) : nullptr;
    // On meta the tie made at construction still stands, whatever the file said; only the store knows.
    const bool is_elsewhere = tensor.is_meta() || (original && original->is_meta());
    const bool is_tied =
        original && (is_elsewhere ? same_weight(model, state, *source, name)
                                  : original->is_same(tensor) ||
                                        (extent(*original) == extent(tensor) && original->sizes() == tensor.sizes()));
    if (is_tied) {
      aliases.emplace(name, *source);
      continue;
    }
    if (tensor.numel() == 0 || tensor.is_meta()) continue;
    const auto [it, fresh] = owners.emplace(extent(tensor), name);
    if (!fresh) undeclared.push_back(str(it->second, " = ", name));
  }
  if (!undeclared.empty())
    throw RuntimeError(str(model.model_class().name, ": these tensors share memory and are not declared as tied: ",
                           join(undeclared, ", "), "; tie them in the class or give each its own memory"));
  return aliases;
}

SharedBytes bytes_of(const at::Tensor& tensor) {
  auto held = std::make_shared<at::Tensor>(tensor.detach().cpu().contiguous());
  const auto* data = static_cast<const std::byte*>(held->const_data_ptr());
  return {{data, static_cast<size_t>(held->nbytes())}, held};
}

// Renames are undone one by one: two of them must not meet.
void check_names(const PreTrainedModel& model, const std::vector<CheckpointWriteEntry>& entries) {
  std::set<std::string_view> names;
  for (const auto& entry : entries)
    if (!names.insert(entry.name).second)
      throw RuntimeError(str(model.model_class().name, ": two weights would be called ", quote(entry.name),
                             " in the original format; set save_original_format to false"));
}

// Safetensors hold each parameter once; pickles hold every name, those of one parameter as views of one storage.
std::vector<CheckpointWriteEntry> entries_of(const PreTrainedModel& model, const StateDict& state,
                                             const SavePretrainedOptions& options) {
  const auto aliases = find_aliases(model, state);
  const auto in_file = [&](const std::string& name) {
    return options.save_original_format ? original_weight(model, name) : OriginalWeight{.name = name};
  };
  std::vector<CheckpointWriteEntry> entries;
  for (const auto& [name, tensor] : state) {
    const auto alias = aliases.find(name);
    if (alias != aliases.end() && options.safe_serialization) continue;
    const auto* weights = offloaded_weights(model);
    const bool is_offloaded = tensor.is_meta() && weights && weights->contains(name);
    if (tensor.is_meta() && !is_offloaded)
      throw RuntimeError(str(quote(name), " has no values and cannot be saved; load the model first"));
    const auto place = in_file(name);
    entries.push_back({.name = place.name,
                       .dtype = to_data_type(tensor.scalar_type()),
                       .shape = shape_after(inverse_of(place.op), tensor.sizes()),
                       .bytes =
                           [=, name = name, tensor = tensor] {
                             const auto data = bytes_of(is_offloaded ? weights->load(name) : tensor);
                             return undo_op(place.op, data, tensor.sizes(), tensor.element_size(), place.heads, name);
                           },
                       .alias_of = alias == aliases.end() ? std::string() : in_file(alias->second).name});
  }
  check_names(model, entries);
  return entries;
}

at::Tensor tensor_of(const CheckpointWriteEntry& entry) {
  const auto data = entry.bytes();
  return at::from_blob(
      const_cast<std::byte*>(data.bytes.data()), entry.shape, [owner = data.owner](void*) {},
      at::TensorOptions().dtype(*to_scalar_type(entry.dtype)));
}

void write_weights(FileTransaction& transaction, const std::vector<CheckpointWriteEntry>& entries,
                   const std::string& name, int64_t total_parameters, const SavePretrainedOptions& options,
                   hub::FileSink* sink) {
  ShardedWriteOptions sharding{.name = name,
                               .variant = options.variant,
                               .max_shard_size = options.max_shard_size,
                               .metadata = Json(Json::Object{{"format", "pt"}}),
                               .total_parameters = total_parameters};
  if (sink) sharding.written = [sink](const std::string& shard, const fs::path& file) { sink->take(shard, file); };
  CheckpointWriter write = options.safe_serialization ? write_safetensors : write_pytorch;
  if (options.save_function && !options.safe_serialization)
    write = [&](const fs::path& file, std::span<const CheckpointWriteEntry> part, const Json&) {
      StateDict tensors;
      for (const auto& entry : part) tensors.set(entry.name, tensor_of(entry));
      options.save_function(tensors, file);
    };
  (void)write_checkpoint(transaction, write, entries, sharding);
  if (sink) sink->finish();
}

// P52: the active adapter and nothing else. Its files are never in shards: readers look for the one.
void save_adapter(const PreTrainedModel& model, const fs::path& folder, const SavePretrainedOptions& options,
                  hub::FileSink* sink) {
  const auto active = model.active_adapters();
  if (active.size() != 1)
    throw ValueError(str("the model has ", uint64_t{active.size()}, " active adapters (", join(active, ", "),
                         "), and one is saved at a time; call set_adapter with one of them, then save_pretrained, for "
                         "each"));
  std::vector<CheckpointWriteEntry> entries;
  int64_t count = 0;
  for (const auto& [name, own] : model.get_adapter_state_dict()) {
    const auto* given = options.state_dict ? options.state_dict->find(name) : &own;
    if (!given || !given->defined() || given->is_meta())
      throw ValueError(str(quote(name), " of the adapter ", quote(active.front()), " has no values to be saved"));
    const auto& tensor = *given;
    entries.push_back({.name = (options.save_peft_format ? "base_model.model." : "") + name,
                       .dtype = to_data_type(tensor.scalar_type()),
                       .shape = tensor.sizes().vec(),
                       .bytes = [tensor = tensor] { return bytes_of(tensor); }});
    count += tensor.numel();
  }
  auto whole = options;
  whole.variant.reset();
  whole.max_shard_size = std::numeric_limits<int64_t>::max();
  FileTransaction transaction(folder);
  auto config = model.peft_config().at(active.front());
  config.inference_mode = true;
  write_text_atomic(transaction.stage("adapter_config.json"),
                    config.to_dict().dump({.indent = 2, .sort_keys = true, .ensure_ascii = true}) + "\n");
  const auto* const other = options.safe_serialization ? "adapter_model.bin" : "adapter_model.safetensors";
  write_weights(transaction, entries, options.safe_serialization ? "adapter_model.safetensors" : "adapter_model.bin",
                count, whole, sink);
  transaction.remove(other);
  transaction.commit();
}

}  // namespace

void detail::save_files(PreTrainedModel& model, const fs::path& folder, const SavePretrainedOptions& options,
                        hub::FileSink* sink) {
  if (model.has_adapters())
    return without_torch_errors(model.model_class().name, [&] { save_adapter(model, folder, options, sink); });
  const auto state = options.state_dict ? *options.state_dict : model.state_dict();
  if (model.dispatch && !model.dispatch->weights().names().empty())
    logging::warning("the model is partly offloaded; memory must have room for one shard while it is saved");
  const auto entries =
      without_torch_errors(model.model_class().name, [&] { return entries_of(model, state, options); });
  const auto saved = model.config->clone();
  saved->architectures = {std::string(model.model_class().name)};
  saved->dtype = std::string(info(to_data_type(model.dtype())).name);
  FileTransaction transaction(folder);
  saved->save_pretrained(transaction.staging_folder());
  if (model.can_generate() && model.generation_config)
    model.generation_config->save_pretrained(transaction.staging_folder());
  write_weights(transaction, entries, options.safe_serialization ? "model.safetensors" : "pytorch_model.bin",
                model.num_parameters(), options, sink);
  transaction.commit();
}

void PreTrainedModel::save_pretrained(const fs::path& folder) { save_pretrained(folder, SavePretrainedOptions{}); }

void PreTrainedModel::save_pretrained(const fs::path& folder, const SavePretrainedOptions& options) {
  std::error_code ignored;
  if (fs::is_regular_file(folder, ignored))
    return logging::error(str(folder, ": is a file, expected a folder; nothing was saved"));
  const auto upload = detail::upload_of(folder, options);
  if (!upload.is_main_process) return;
  if (!options.push_to_hub) return detail::save_files(*this, folder, options, nullptr);
  const auto save = [&](const fs::path& target, hub::FileSink* sink) {
    detail::save_files(*this, target, options, sink);
  };
  const auto tags = model_tags.value_or(std::vector<std::string>());
  (void)hub::push_to_hub(upload.repo_id, upload.options, {.tags = tags, .save = save, .folder = folder});
}

}  // namespace transformers
