#pragma once

#include <functional>

#include "apps/cli/command.h"

namespace transformers::cli {

/// While it lives, jobs of more than 0.3 s show a bar on stderr: when that is a terminal, without --quiet, and unless
/// HF_HUB_DISABLE_PROGRESS_BARS is set. The line is empty again at the end, also when the job fails. `meanwhile` is
/// called with each report of progress, shown or not; what it throws ends the job.
class ProgressBar {
 public:
  explicit ProgressBar(const Arguments& arguments, std::function<void()> meanwhile = {});
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

 private:
  bool is_observed_;
};

}  // namespace transformers::cli
