#pragma once

#include <filesystem>

#include "transformers/hub/push.h"
#include "transformers/pretrained/save.h"

namespace transformers::detail {

/// The files of save_pretrained, all at once or none; files of weights are handed on to the sink when there is one, and
/// then need not stay.
void save_files(PreTrainedModel& model, const std::filesystem::path& folder, const SavePretrainedOptions& options,
                hub::FileSink* sink);

/// What `save_pretrained` says of an upload. `options.kwargs` is read: TypeError for what is no argument.
struct SaveUpload {
  std::string repo_id = {};
  PushToHubOptions options = {};
  bool is_main_process = true;
};
[[nodiscard]] SaveUpload upload_of(const std::filesystem::path& folder, const SavePretrainedOptions& options);

}  // namespace transformers::detail
