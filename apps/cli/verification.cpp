#include "apps/cli/verification.h"

#include <set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/verify.h"
#include "transformers/hub/verify.h"
#include "transformers/mapping/config_check.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers::cli {

namespace {

namespace fs = std::filesystem;

// A file that is no JSON is damaged; one that this version cannot run may be sound.
void check_tokenizer(const Snapshot& snapshot, std::vector<Finding>& findings) {
  snapshot.fetch_tokenizer();
  const auto file = snapshot.folder / "tokenizer.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return;
  auto severity = Severity::Error;
  try {
    static_cast<void>(Json::parse_file(file, int64_t{256} << 20));
    severity = Severity::Warning;
    static_cast<void>(AutoTokenizer::from_pretrained(snapshot.folder, {.local_files_only = true}));
  } catch (const Error& error) {
    findings.push_back({.severity = severity, .file = file, .key = {}, .message = error.what()});
  }
}

// Whether the user named one file, not the folder or repository that it lies in.
bool names_file(const Snapshot& snapshot) {
  std::error_code ignored;
  return !snapshot.remote && !snapshot.weights_file.empty() && !fs::is_directory(snapshot.source, ignored);
}

}  // namespace

std::vector<Finding> verify_model(const Snapshot& snapshot,
                                  std::span<const std::unique_ptr<CheckpointReader>> checkpoints, const Json& config) {
  const bool is_file = names_file(snapshot);
  std::vector<Finding> findings;
  const auto add = [&](const fs::path& file, std::vector<std::string> messages) {
    for (auto& message : messages) findings.push_back({.file = file, .key = {}, .message = std::move(message)});
  };
  if (!checkpoints.empty())
    findings = verify_checkpoint(is_file ? snapshot.weights_file : snapshot.folder);
  else if (!is_file)
    add(snapshot.folder, {"holds no weights of a format that this version reads"});

  const bool describes_itself = !checkpoints.empty() && checkpoints.front()->dialect() == "gguf";
  const auto described_in = describes_itself ? checkpoints.front()->files().front() : snapshot.folder / "config.json";
  if (config.is_object()) add(described_in, check_config_types(config));
  for (const auto& reader : checkpoints)
    if (config.is_object()) add(described_in, check_config(*reader, config));

  std::set<fs::path> downloads{is_file ? snapshot.weights_file : snapshot.folder};
  if (is_file)
    for (const auto& reader : checkpoints) downloads.insert(reader->files().begin(), reader->files().end());
  for (const auto& path : downloads)
    for (auto& finding : hub::verify_downloads(path)) findings.push_back(std::move(finding));
  if (!is_file) check_tokenizer(snapshot, findings);
  return findings;
}

}  // namespace transformers::cli
