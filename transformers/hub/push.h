#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/base/size.h"
#include "transformers/hub/options.h"

namespace transformers {

/// Arguments of push_to_hub; names and defaults are the reference's.
struct PushToHubOptions {
  std::optional<bool> use_temp_dir = {};  // none: true, unless a folder is there that is called like the repository
  std::optional<std::string> commit_message = {};      // none: "Upload model", "Upload config", …
  std::optional<std::string> commit_description = {};  // stands under it
  std::optional<bool> private_ = {};                // of a repository that is made; none: as its owner's settings say
  std::optional<TokenArg> token = {};               // true: the stored one, which is also the default
  std::optional<std::string> revision = {};         // branch to write to, made when absent; a refs/pr/N must exist
  bool create_pr = false;                           // open a pull request instead of committing
  std::optional<ByteSize> max_shard_size = "50GB";  // of models; none: one file
  bool safe_serialization = true;                   // of models; false: pytorch_model.bin
  std::optional<std::string> variant = {};          // of models: model.<variant>.safetensors
  std::vector<std::string> tags = {};               // for the model card
  Json deprecated_kwargs = Json::object();  // use_auth_token, repo_path_or_name, repo_url, organization: FutureWarning
  hub::RetryPolicy retry = {};
  hub::TransferTuning tuning = {};
};

namespace hub {

/// Takes finished large files while others are still being written.
class FileSink {
 public:
  virtual ~FileSink() = default;
  /// Does not return before the file before this one was sent. The file may be gone afterwards, when nobody needs it.
  virtual void take(const std::string& name, const std::filesystem::path& file) = 0;
  /// Returns when all that was taken is sent: files may be moved from now on.
  virtual void finish() = 0;
};

/// How a thing that can be pushed saves itself.
struct Pushed {
  std::string_view message = "Upload model";
  std::vector<std::string> tags = {};  // its own, before those of the options
  /// Writes every file into the folder, and hands finished ones on when there is a sink.
  std::function<void(const std::filesystem::path& folder, FileSink* sink)> save = {};
  std::filesystem::path folder = {};  // where to save, whatever `use_temp_dir` says; empty: as that says
};

/// Saves a thing into a temporary folder (or the one that `use_temp_dir` says), uploads what is new there and the model
/// card, in one commit; gives the URL of the commit or pull request. Large files are sent while the next is written and
/// removed from a temporary folder when they are at the Hub: the disk holds two shards at most. Throws HubError and its
/// kinds, OSError, ValueError.
std::string push_to_hub(const std::string& repo_id, const PushToHubOptions& options, const Pushed& pushed);

}  // namespace hub
}  // namespace transformers
