#include "transformers/pretrained/detail/report.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

std::string listed(const std::set<std::string>& keys) {
  constexpr size_t kMost = 20;  // a report, not a wall
  std::vector<std::string> sorted(keys.begin(), keys.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return natural_less(a, b); });
  auto folded = fold_names(sorted);
  const size_t more = folded.size() > kMost ? folded.size() - kMost : 0;
  if (more > 0) folded.resize(kMost);
  return join(folded, ", ") + (more > 0 ? str(" and ", more, " more") : std::string());
}

std::string mismatches(const LoadingInfo& info) {
  std::vector<std::string> parts;
  for (const auto& [key, found, wanted] : info.mismatched_keys)
    parts.push_back(transformers::str(quote(key), " is ", found, " in the checkpoint and ", wanted, " in the model"));
  const size_t count = parts.size();
  if (count > 10) parts.resize(10);
  return join(parts, "; ") + (count > 10 ? str("; and ", count - 10, " more") : std::string());
}

}  // namespace

// True when the checkpoint says that it was made from this very class.
static bool is_of_same_class(const PreTrainedModel& model) {
  const auto& trained = model.config->architectures;
  return std::find(trained.begin(), trained.end(), model.model_class().name) != trained.end();
}

LoadingVerdict judge(const LoadingInfo& info, const PreTrainedModel& model) {
  if (info.missing_keys.empty() && info.unexpected_keys.empty() && info.mismatched_keys.empty())
    return LoadingVerdict::Complete;
  // A head's weights lie outside the body; a body alone has nothing outside.
  const bool has_head = &const_cast<PreTrainedModel&>(model).base_model() != &model;
  const auto prefix = model.base_model_prefix() + ".";
  const auto is_of_body = [&](const std::string& key) { return !has_head || key.starts_with(prefix); };
  const bool touches_body = std::any_of(info.missing_keys.begin(), info.missing_keys.end(), is_of_body) ||
                            std::any_of(info.unexpected_keys.begin(), info.unexpected_keys.end(),
                                        [&](const std::string& key) { return key.starts_with(prefix); });
  return is_of_same_class(model) || touches_body || !info.mismatched_keys.empty() ? LoadingVerdict::Suspicious
                                                                                  : LoadingVerdict::Harmless;
}

void refuse_strangers(const PreTrainedModel& model, const std::string& source, size_t matched, size_t in_model,
                      size_t in_file) {
  if (in_model == 0 || 2 * matched >= in_model || (in_file > 0 && 2 * matched >= in_file)) return;
  throw RuntimeError(
      str(source, ": ", uint64_t{matched}, " of the ", uint64_t{in_file}, " tensors in the checkpoint fit the ",
          uint64_t{in_model}, " of ", model.model_class().name,
          ", so nearly all of it would be random; name the class that the checkpoint was made from, or set "
          "ignore_unmatched_keys"));
}

void report_loading(const LoadingInfo& info, const PreTrainedModel& model, const std::string& source,
                    bool ignore_mismatched_sizes) {
  const auto name = model.model_class().name;
  if (!info.error_msgs.empty())
    throw RuntimeError(str(source, ": loading ", name, " failed: ", join(info.error_msgs, "; ")));
  if (!info.mismatched_keys.empty() && !ignore_mismatched_sizes)
    throw RuntimeError(str(source, ": shapes do not fit ", name, ": ", mismatches(info),
                           "; set ignore_mismatched_sizes to initialise these anew"));
  if (!info.missing_keys.empty())
    logging::warning(str(source, ": these weights of ", name, " are not in the checkpoint and were initialised: ",
                         listed(info.missing_keys), "; train the model on a downstream task before using it"));
  if (!info.unexpected_keys.empty()) {
    const bool same_class = is_of_same_class(model);
    const auto text =
        str(source, ": these weights of the checkpoint are not used by ", name, ": ", listed(info.unexpected_keys),
            same_class ? "; that is not expected for a checkpoint of this very class"
                       : "; that is expected when the task or architecture changes");
    same_class ? logging::warning(text) : logging::info(text);
  }
  if (!info.mismatched_keys.empty())
    logging::warning(
        str(source, ": these weights of ", name, " were initialised, their shapes do not fit: ", mismatches(info)));
  if (info.missing_keys.empty() && info.unexpected_keys.empty() && info.mismatched_keys.empty())
    logging::info(str(source, ": every weight of ", name, " was loaded"));
}

}  // namespace transformers
