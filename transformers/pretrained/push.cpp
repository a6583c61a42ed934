// push_to_hub of what lower layers declare.
#include "transformers/hub/push.h"

#include <algorithm>
#include <limits>

#include "transformers/config/config.h"
#include "transformers/config/generation_config.h"
#include "transformers/modeling/model.h"
#include "transformers/pretrained/detail/save_files.h"

namespace transformers {

namespace {

namespace fs = std::filesystem;

template <class Config>
std::string push_config(const Config& config, const std::string& repo_id, const PushToHubOptions& options) {
  const auto save = [&](const fs::path& folder, hub::FileSink*) { config.save_pretrained(folder); };
  return hub::push_to_hub(repo_id, options, {.message = "Upload config", .save = save});
}

}  // namespace

std::string PretrainedConfig::push_to_hub(const std::string& repo_id) const { return push_to_hub(repo_id, {}); }
std::string PretrainedConfig::push_to_hub(const std::string& repo_id, const PushToHubOptions& options) const {
  return push_config(*this, repo_id, options);
}

std::string GenerationConfig::push_to_hub(const std::string& repo_id) const { return push_to_hub(repo_id, {}); }
std::string GenerationConfig::push_to_hub(const std::string& repo_id, const PushToHubOptions& options) const {
  return push_config(*this, repo_id, options);
}

void PreTrainedModel::add_model_tags(const ModelTags& tags) {
  auto& all = model_tags ? *model_tags : model_tags.emplace();
  const auto add = [&](const std::string& tag) {
    if (std::find(all.begin(), all.end(), tag) == all.end()) all.push_back(tag);
  };
  if (const auto* one = std::get_if<std::string>(&tags)) return add(*one);
  for (const auto& tag : std::get<std::vector<std::string>>(tags)) add(tag);
}

std::string PreTrainedModel::push_to_hub(const std::string& repo_id) { return push_to_hub(repo_id, {}); }
std::string PreTrainedModel::push_to_hub(const std::string& repo_id, const PushToHubOptions& options) {
  SavePretrainedOptions saving{.safe_serialization = options.safe_serialization, .variant = options.variant};
  saving.max_shard_size = options.max_shard_size.value_or(std::numeric_limits<int64_t>::max());
  const auto save = [&](const fs::path& folder, hub::FileSink* sink) {
    detail::save_files(*this, folder, saving, sink);
  };
  const auto tags = model_tags.value_or(std::vector<std::string>());
  return hub::push_to_hub(repo_id, options, {.message = "Upload model", .tags = tags, .save = save});
}

}  // namespace transformers
