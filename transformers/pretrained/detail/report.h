#pragma once

#include <string>

#include "transformers/pretrained/load.h"

namespace transformers {

/// Tells the user through the log what did not come from the checkpoint and what of it was not used; runs of numbered
/// layers are one line. Throws RuntimeError when shapes do not match and that was not allowed.
void report_loading(const LoadingInfo& info, const PreTrainedModel& model, const std::string& source,
                    bool ignore_mismatched_sizes);

}  // namespace transformers
