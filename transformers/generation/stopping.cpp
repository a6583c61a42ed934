#include "transformers/generation/detail/stopping.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/modeling/check_inputs.h"

namespace transformers::detail {

static std::vector<std::string> strings_of(const Json& json) {
  std::vector<std::string> out;
  if (json.is_string()) out.push_back(json.as_string());
  if (json.is_array())
    for (const auto& item : json.as_array()) out.push_back(item.is_string() ? item.as_string() : std::string());
  const bool fits =
      json.is_null() || (!out.empty() && std::none_of(out.begin(), out.end(), [](const auto& s) { return s.empty(); }));
  if (!fits)
    throw ValueError(str("generate: stop_strings is ", quote(json.dump()), ", expected a text or a list of texts"));
  return out;
}

Stopping::Stopping(const GenerationPlan& plan, const GenerateOptions& options, int64_t rows)
    : eos_(plan.eos),
      max_length_(plan.max_length),
      max_positions_(plan.max_positions),
      stop_strings_(strings_of(plan.config.stop_strings)),
      decode_(options.decode),
      custom_(options.stopping_criteria),
      done_(static_cast<size_t>(rows), 0) {
  if (!stop_strings_.empty() && !decode_)
    throw ValueError(
        "generate: stop_strings are set, but there is no tokenizer to make text from ids; set `decode` in "
        "GenerateOptions");
  for (const auto& text : stop_strings_) longest_stop_ = std::max(longest_stop_, text.size());
  std::erase(custom_, nullptr);
  if (const auto seconds = plan.config.max_time) {
    constexpr double kMost = 1e9;  // keeps the clock inside its range
    deadline_ = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                       std::chrono::duration<double>(std::clamp(*seconds, 0.0, kMost)));
  }
}

bool Stopping::update(const at::Tensor& sequences, const int64_t* next, const at::Tensor& scores) {
  if (sequences.size(1) > max_positions_ && sequences.size(1) < max_length_) warn_of_long_sequence(max_positions_);
  if (!eos_.empty())
    for (size_t row = 0; row < done_.size(); ++row)
      if (!done_[row] && std::find(eos_.begin(), eos_.end(), next[row]) != eos_.end()) finish(row);
  if (!stop_strings_.empty()) check_stop_strings(sequences);
  if (!custom_.empty()) check_custom(sequences, scores);
  const bool over = sequences.size(1) >= max_length_ || (deadline_ && std::chrono::steady_clock::now() > *deadline_);
  const auto count = std::count(done_.begin(), done_.end(), 1);
  any_done_ = count > 0;
  return over || count == static_cast<std::ptrdiff_t>(done_.size());
}

// A row is done when the last token completes a stop string; more text may follow it inside that token.
void Stopping::check_stop_strings(const at::Tensor& sequences) {
  constexpr int64_t kSlack = 8;  // tokens may have no text, or only together
  const int64_t tail = std::min(sequences.size(1), static_cast<int64_t>(longest_stop_) + kSlack);
  const auto ids = sequences.narrow(1, sequences.size(1) - tail, tail).cpu().contiguous();
  for (size_t row = 0; row < done_.size(); ++row) {
    if (done_[row]) continue;
    const std::span<const int64_t> all(ids.const_data_ptr<int64_t>() + row * static_cast<size_t>(tail),
                                       static_cast<size_t>(tail));
    const auto text = decode_(all);
    const size_t before = decode_(all.first(all.size() - 1)).size();
    for (const auto& stop : stop_strings_) {
      const size_t from = before + 1 > stop.size() ? before + 1 - stop.size() : 0;
      if (text.find(stop, from) != std::string::npos) finish(row);
    }
  }
}

void Stopping::check_custom(const at::Tensor& sequences, const at::Tensor& scores) {
  for (const auto& criterion : custom_) {
    const auto said = (*criterion)(sequences, scores).to(at::kCPU, at::kBool).contiguous();
    if (said.numel() != static_cast<int64_t>(done_.size()))
      throw ValueError(transformers::str("generate: a stopping criterion returned shape ", said.sizes(), " for ",
                                         done_.size(), " rows"));
    for (size_t row = 0; row < done_.size(); ++row)
      if (said.const_data_ptr<bool>()[row]) finish(row);
  }
}

}  // namespace transformers::detail
