#include "transformers/hub/push.h"

#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers {

std::string PreTrainedTokenizer::push_to_hub(const std::string& repo_id) const { return push_to_hub(repo_id, {}); }

std::string PreTrainedTokenizer::push_to_hub(const std::string& repo_id, const PushToHubOptions& options) const {
  const auto save = [this](const std::filesystem::path& folder, hub::FileSink*) { save_pretrained(folder); };
  return hub::push_to_hub(repo_id, options, {.message = "Upload tokenizer", .save = save});
}

}  // namespace transformers
