#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "transformers/generation/detail/plan.h"

namespace transformers::detail {

/// Tells after each token which rows are done. Reference: the criteria that `_get_stopping_criteria` makes.
class Stopping {
 public:
  /// Throws ValueError when stop_strings are set and there is no `options.decode`.
  Stopping(const GenerationPlan& plan, const GenerateOptions& options, int64_t rows);

  /// `sequences`: (batch, tokens so far); `next`: their last ids on the host; `scores`: (batch, vocab). True when every
  /// row is done.
  bool update(const at::Tensor& sequences, const int64_t* next, const at::Tensor& scores);
  [[nodiscard]] bool is_done(int64_t row) const { return done_[static_cast<size_t>(row)] != 0; }
  [[nodiscard]] bool any_done() const { return any_done_; }

 private:
  void finish(size_t row) { done_[row] = 1; }
  void check_stop_strings(const at::Tensor& sequences);
  void check_custom(const at::Tensor& sequences, const at::Tensor& scores);

  std::vector<int64_t> eos_;
  int64_t max_length_, max_positions_;
  std::vector<std::string> stop_strings_ = {};
  size_t longest_stop_ = 0;
  std::function<std::string(std::span<const int64_t>)> decode_;
  std::vector<std::shared_ptr<StoppingCriteria>> custom_;
  std::optional<std::chrono::steady_clock::time_point> deadline_ = {};
  std::vector<char> done_;
  bool any_done_ = false;
};

}  // namespace transformers::detail
