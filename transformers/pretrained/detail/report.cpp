#include "transformers/pretrained/detail/report.h"

#include <algorithm>
#include <map>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

// One line of the report's table.
struct Row {
  std::string key = {}, status = {}, detail = {};
};

// Text of a file in a table: control characters escaped, cut where it is very long.
std::string shown(std::string_view text) {
  const auto quoted = quote(text, 120);
  return quoted.substr(1, quoted.size() - 2);
}

// A row for each key, or for each run of numbered layers.
void add_rows(std::vector<Row>& rows, std::vector<std::string> keys, std::string_view status,
              const std::string& detail) {
  std::sort(keys.begin(), keys.end(), natural_less);
  for (const auto& key : fold_names(keys)) rows.push_back({shown(key), std::string(status), detail});
}

// What is worst comes first.
std::vector<Row> rows_of(const LoadingInfo& info, bool ignore_mismatched_sizes) {
  std::vector<Row> rows;
  for (const auto& text : info.error_msgs) {
    const auto colon = text.find(": ");
    const bool has_key = colon != std::string::npos;
    rows.push_back({shown(has_key ? text.substr(0, colon) : "-"), "error",
                    shown(has_key ? std::string_view(text).substr(colon + 2) : text)});
  }
  std::map<std::string, std::vector<std::string>> by_shapes;  // folded only where they are the same
  for (const auto& [key, found, wanted] : info.mismatched_keys)
    by_shapes[str(found, " in the checkpoint, ", wanted, " in the model")].push_back(key);
  for (auto& [shapes, keys] : by_shapes)
    add_rows(rows, std::move(keys), "mismatched", shapes + (ignore_mismatched_sizes ? ", initialised" : ""));
  add_rows(rows, {info.missing_keys.begin(), info.missing_keys.end()}, "missing", "initialised");
  add_rows(rows, {info.unexpected_keys.begin(), info.unexpected_keys.end()}, "unexpected", "not used");
  return rows;
}

size_t columns_of(std::string_view text) {  // continuation bytes of UTF-8 take none
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(std::string text, size_t width) {
  const auto columns = columns_of(text);
  return text.append(columns < width ? width - columns : 0, ' ');
}

std::string table_of(std::vector<Row> rows) {
  constexpr size_t kMost = 30;  // a report, not a wall
  const size_t more = rows.size() > kMost ? rows.size() - kMost : 0;
  rows.resize(rows.size() - more);
  rows.insert(rows.begin(), {"key", "status", "detail"});
  size_t key_width = 0, status_width = 0;
  for (const auto& row : rows) {
    key_width = std::max(key_width, columns_of(row.key));
    status_width = std::max(status_width, columns_of(row.status));
  }
  std::string out;
  for (const auto& row : rows)
    out += str("\n  ", padded(row.key, key_width), "  ", padded(row.status, status_width), "  ", row.detail);
  if (more > 0) out += str("\n  … and ", more, " more rows; output_loading_info has every key");
  return out;
}

std::string weights(size_t count) { return count == 1 ? str("1 weight") : str(count, " weights"); }

std::string mismatches(const LoadingInfo& info) {
  constexpr size_t kMost = 10;
  std::vector<std::string> parts;
  for (const auto& [key, found, wanted] : info.mismatched_keys)
    parts.push_back(transformers::str(quote(key), " is ", found, " in the checkpoint and ", wanted, " in the model"));
  const size_t count = parts.size();
  if (count > kMost) parts.resize(kMost);
  return join(parts, "; ") + (count > kMost ? str("; and ", count - kMost, " more") : std::string());
}

}  // namespace

// True when the checkpoint says that it was made from this very class.
static bool is_of_same_class(const PreTrainedModel& model) {
  const auto& trained = model.config->architectures;
  return std::find(trained.begin(), trained.end(), model.model_class().name) != trained.end();
}

LoadingVerdict judge(const LoadingInfo& info, const PreTrainedModel& model, bool ignore_mismatched_sizes) {
  if (!info.error_msgs.empty() || (!info.mismatched_keys.empty() && !ignore_mismatched_sizes))
    return LoadingVerdict::Fatal;
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

// The record's first line: what happened to how many weights, what that means, and what to do.
static std::string heading(const LoadingInfo& info, const PreTrainedModel& model, const std::string& source) {
  constexpr std::string_view kNames[] = {"complete", "harmless", "suspicious", "fatal"};  // by LoadingVerdict
  std::vector<std::string> parts;
  if (!info.error_msgs.empty()) parts.push_back(str(weights(info.error_msgs.size()), " cannot be loaded"));
  if (!info.mismatched_keys.empty())
    parts.push_back(str(weights(info.mismatched_keys.size()), " of another shape",
                        info.verdict == LoadingVerdict::Fatal
                            ? "; set ignore_mismatched_sizes to initialise such weights anew"
                            : " were initialised"));
  if (!info.missing_keys.empty())
    parts.push_back(str(weights(info.missing_keys.size()),
                        " of the model are not in the checkpoint and were initialised; train it on a downstream task "
                        "before using it"));
  if (!info.unexpected_keys.empty())
    parts.push_back(str(weights(info.unexpected_keys.size()), " of the checkpoint are not used, which is ",
                        is_of_same_class(model) ? "not expected for a checkpoint of this very class"
                                                : "expected when the task or architecture changes"));
  return str(source, ": loaded as ", model.model_class().name, " with differences (",
             kNames[static_cast<size_t>(info.verdict)], "): ", join(parts, "; "));
}

void report_loading(const LoadingInfo& info, const PreTrainedModel& model, const std::string& source,
                    bool ignore_mismatched_sizes) {
  const auto name = model.model_class().name;
  if (info.verdict == LoadingVerdict::Complete)
    return logging::info(str(source, ": every weight of ", name, " was loaded"));
  const auto text = heading(info, model, source) + table_of(rows_of(info, ignore_mismatched_sizes));
  // P67: what is merely not used by another class is no reason to worry.
  const bool only_unused = info.missing_keys.empty() && info.mismatched_keys.empty() && info.error_msgs.empty();
  only_unused && !is_of_same_class(model) ? logging::info(text) : logging::warning(text);
  if (!info.error_msgs.empty())
    throw RuntimeError(str(source, ": loading ", name, " failed: ", join(info.error_msgs, "; ")));
  if (info.verdict == LoadingVerdict::Fatal)
    throw RuntimeError(str(source, ": shapes do not fit ", name, ": ", mismatches(info),
                           "; set ignore_mismatched_sizes to initialise these anew"));
}

void report_adapter(const LoadingInfo& info, const PreTrainedModel& model, const std::string& source,
                    bool ignore_mismatched_sizes) {
  const auto name = model.model_class().name;
  if (!info.mismatched_keys.empty() && !ignore_mismatched_sizes)
    throw RuntimeError(str(source, ": the adapter does not fit ", name, ": ", mismatches(info),
                           "; set ignore_mismatched_sizes to initialise these anew"));
  const auto rows = rows_of(info, ignore_mismatched_sizes);
  if (rows.empty()) return logging::info(str(source, ": every tensor of the adapter was loaded"));
  logging::warning(str(source, ": the adapter was loaded for ", name,
                       " with differences (suspicious): what is not in its file was initialised and changes nothing "
                       "until it is trained, what has no place in the model or in adapter_config.json is not used") +
                   table_of(rows));
}

}  // namespace transformers
