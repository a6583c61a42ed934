#include "transformers/pretrained/save.h"

#include <ATen/core/grad_mode.h>

#include <map>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/config/generation_config.h"
#include "transformers/mapping/key_match.h"
#include "transformers/nn/dtypes.h"
#include "transformers/nn/torch_errors.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

// The memory that a tensor's elements lie in; equal for tensors that are one parameter.
using Extent = std::pair<const void*, size_t>;

Extent extent(const at::Tensor& tensor) { return {tensor.const_data_ptr(), static_cast<size_t>(tensor.nbytes())}; }

// Drops the declared targets of ties, so that each value is written once. Aliases that nobody declared are an error
// now, not a surprise when the file is loaded.
StateDict without_ties(const PreTrainedModel& model, const StateDict& state) {
  const auto ties = model.all_tied_weights_keys();
  StateDict kept;
  std::map<Extent, std::string> owners;
  std::vector<std::string> undeclared;
  for (const auto& [name, tensor] : state) {
    const auto* source = ties.find(name);
    const auto* original = source ? state.find(*source) : nullptr;
    if (original && original->is_same(tensor)) continue;
    if (original && extent(*original) == extent(tensor) && original->sizes() == tensor.sizes()) continue;
    if (tensor.numel() > 0) {
      const auto [it, fresh] = owners.emplace(extent(tensor), name);
      if (!fresh) undeclared.push_back(str(it->second, " = ", name));
    }
    kept.set(name, tensor);
  }
  if (!undeclared.empty())
    throw RuntimeError(str(model.model_class().name, ": these tensors share memory and are not declared as tied: ",
                           join(undeclared, ", "), "; tie them in the class or give each its own memory"));
  return kept;
}

std::string file_name_of(const PreTrainedModel& model, const std::string& name, bool original_format) {
  if (!original_format) return name;
  const auto prefix = model.base_model_prefix() + ".";
  for (const auto& rule : model.architecture().file_rules) {
    if (auto renamed = invert_rule(rule, name)) return *renamed;
    if (!name.starts_with(prefix)) continue;
    if (auto renamed = invert_rule(rule, std::string_view(name).substr(prefix.size()))) return prefix + *renamed;
  }
  return name;
}

SharedBytes bytes_of(const at::Tensor& tensor) {
  auto held = std::make_shared<at::Tensor>(tensor.detach().cpu().contiguous());
  const auto* data = static_cast<const std::byte*>(held->const_data_ptr());
  return {{data, static_cast<size_t>(held->nbytes())}, held};
}

std::vector<CheckpointWriteEntry> entries_of(const PreTrainedModel& model, const StateDict& state,
                                             bool original_format) {
  std::vector<CheckpointWriteEntry> entries;
  for (const auto& [name, tensor] : state) {
    if (tensor.is_meta())
      throw RuntimeError(str(quote(name), " has no values and cannot be saved; load the model first"));
    entries.push_back({.name = file_name_of(model, name, original_format),
                       .dtype = to_data_type(tensor.scalar_type()),
                       .shape = tensor.sizes().vec(),
                       .bytes = [tensor = tensor] { return bytes_of(tensor); }});
  }
  return entries;
}

std::string weights_name(const std::optional<std::string>& variant) {
  if (!variant) return "model.safetensors";
  if (variant->empty() || variant->find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
    throw ValueError(str("the variant ", quote(*variant), " cannot be part of a file name"));
  return str("model.", *variant, ".safetensors");
}

int64_t total_bytes(const StateDict& state) {
  int64_t total = 0;
  for (const auto& [name, tensor] : state) total += static_cast<int64_t>(tensor.nbytes());
  return total;
}

}  // namespace

void PreTrainedModel::save_pretrained(const fs::path& folder) { save_pretrained(folder, SavePretrainedOptions{}); }

void PreTrainedModel::save_pretrained(const fs::path& folder, const SavePretrainedOptions& options) {
  std::error_code ignored;
  if (fs::is_regular_file(folder, ignored))
    return logging::error(str(folder, ": is a file, expected a folder; nothing was saved"));
  if (!options.is_main_process) return;
  const auto name = weights_name(options.variant);
  const auto state = without_ties(*this, options.state_dict ? *options.state_dict : state_dict());
  if (const auto limit = parse_size(options.max_shard_size); total_bytes(state) > limit)
    throw NotImplementedError(str("the weights need ", human_bytes(total_bytes(state)), ", more than max_shard_size ",
                                  human_bytes(limit), "; saving in shards is not part of this version"));
  const auto entries =
      without_torch_errors(model_class().name, [&] { return entries_of(*this, state, options.save_original_format); });
  const auto saved = config->clone();
  saved->architectures = {std::string(model_class().name)};
  saved->dtype = std::string(info(to_data_type(dtype())).name);
  // Weights first: a folder whose config.json is new has the weights that belong to it.
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) throw OSError(str(folder, ": cannot be created: ", code.message()));
  write_safetensors(folder / name, entries, Json(Json::Object{{"format", "pt"}}));
  saved->save_pretrained(folder);
  if (can_generate() && generation_config) generation_config->save_pretrained(folder);
}

}  // namespace transformers
