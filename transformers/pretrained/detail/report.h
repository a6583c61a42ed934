#pragma once

#include <string>

#include "transformers/pretrained/load.h"

namespace transformers {

/// Says what the differences mean for `model`.
[[nodiscard]] LoadingVerdict judge(const LoadingInfo& info, const PreTrainedModel& model);

/// Throws RuntimeError when fewer than half of the model's keys and fewer than half of the file's found a partner.
void refuse_strangers(const PreTrainedModel& model, const std::string& source, size_t matched, size_t in_model,
                      size_t in_file);

/// Tells the user through the log what did not come from the checkpoint and what of it was not used; runs of numbered
/// layers are one line. Throws RuntimeError when shapes do not match and that was not allowed.
void report_loading(const LoadingInfo& info, const PreTrainedModel& model, const std::string& source,
                    bool ignore_mismatched_sizes);

}  // namespace transformers
