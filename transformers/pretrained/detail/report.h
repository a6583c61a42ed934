#pragma once

#include <string>

#include "transformers/pretrained/load.h"

namespace transformers {

/// Says what the differences mean for `model`.
[[nodiscard]] LoadingVerdict judge(const LoadingInfo& info, const PreTrainedModel& model, bool ignore_mismatched_sizes);

/// Throws RuntimeError when fewer than half of the model's keys and fewer than half of the file's found a partner.
void refuse_strangers(const PreTrainedModel& model, const std::string& source, size_t matched, size_t in_model,
                      size_t in_file);

/// Tells the user in one record of the log what did not come from the checkpoint and what of it was not used: a
/// sentence (class, source, verdict, what to do) and a table of keys, runs of numbered layers folded into one row, cut
/// where it is long. `info.verdict` is set. Throws RuntimeError for weights that could not be loaded, and when shapes
/// do not match and that was not allowed.
void report_loading(const LoadingInfo& info, const PreTrainedModel& model, const std::string& source,
                    bool ignore_mismatched_sizes);

/// The same for an adapter that is attached to `model`.
void report_adapter(const LoadingInfo& info, const PreTrainedModel& model, const std::string& source,
                    bool ignore_mismatched_sizes);

}  // namespace transformers
