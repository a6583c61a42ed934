#include "apps/cli/verification.h"

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
void check_tokenizer(const fs::path& folder, std::vector<Finding>& findings) {
  const auto file = folder / "tokenizer.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return;
  auto severity = Severity::Error;
  try {
    static_cast<void>(Json::parse_file(file, int64_t{256} << 20));
    severity = Severity::Warning;
    static_cast<void>(AutoTokenizer::from_pretrained(folder, {.local_files_only = true}));
  } catch (const Error& error) {
    findings.push_back({.severity = severity, .file = file, .key = {}, .message = error.what()});
  }
}

}  // namespace

std::vector<Finding> verify_model(const Snapshot& snapshot,
                                  std::span<const std::unique_ptr<CheckpointReader>> checkpoints, const Json& config) {
  const auto path = snapshot.weights_file.empty() ? snapshot.folder : snapshot.weights_file;
  std::vector<Finding> findings;
  if (checkpoints.empty())
    findings.push_back({.file = snapshot.folder, .message = "holds no weights of a format that this version reads"});
  else
    findings = verify_checkpoint(path);
  for (const auto& reader : checkpoints)
    if (config.is_object())
      for (auto& message : check_config(*reader, config))
        findings.push_back({.file = snapshot.file("config.json"), .message = std::move(message)});
  for (auto& finding : hub::verify_downloads(path)) findings.push_back(std::move(finding));
  if (snapshot.weights_file.empty()) check_tokenizer(snapshot.folder, findings);
  return findings;
}

}  // namespace transformers::cli
