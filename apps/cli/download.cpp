#include "transformers/hub/download.h"

#include <limits>

#include "apps/cli/options.h"
#include "apps/cli/progress_bar.h"
#include "apps/cli/terminal.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

bool is_pattern(const std::string& name) { return name.ends_with('/') || name.find_first_of("*?[") != name.npos; }

// Named files are fetched one by one, so that one that is missing is an error; patterns choose from the listing.
std::filesystem::path fetch(const Arguments& arguments) {
  const auto& repo = arguments.positional.front();
  auto options = download_options(arguments);
  options.force_download = arguments.has("force-download");
  FilePatterns patterns;
  if (const auto ignored = arguments.find("exclude")) patterns.ignore = split(*ignored, ',');
  std::vector<std::string> names;
  for (size_t i = 1; i < arguments.positional.size(); ++i)
    (is_pattern(arguments.positional[i]) ? patterns.allow : names).push_back(arguments.positional[i]);
  if (names.empty()) return snapshot_download(repo, patterns, options);
  hub::Repository repository(repo, options);
  for (const auto& name : names) repository.fetch(name);
  options.revision = repository.commit();  // the branch may have moved meanwhile
  return patterns.allow.empty() ? repository.folder() : snapshot_download(repo, patterns, options);
}

int run(const Arguments& arguments) {
  const auto& repo = arguments.positional.front();
  std::error_code ignored;
  if (std::filesystem::is_directory(repo, ignored))
    throw UsageError(str(quote(repo), " is a folder, expected the id of a Hub repository"));
  std::filesystem::path folder;
  {
    const ProgressBar bar(arguments);
    folder = fetch(arguments);
  }
  if (arguments.has("json"))
    write_out(Json(Json::Object{{"folder", folder.native()}}).dump() + "\n");
  else
    write_out(str(folder, "\n"));
  return 0;
}

}  // namespace

extern const Command download_command;
constinit const Command download_command{
    .name = "download",
    .summary = "fetches files of a Hub repository into the cache",
    .usage = "REPO [FILES…]",
    .details =
        "Fetches every file, or those that are named; `*.json` and `onnx/` choose several. What is in the cache is not "
        "fetched again, what was interrupted goes on where it stopped, and every file is checked against its hash. The "
        "cache is the one of the Python client. Prints the snapshot's folder.",
    .least_positional = 1,
    .most_positional = std::numeric_limits<size_t>::max(),
    .options =
        [] {
          auto hub = without(hub_options(), {"variant"});
          hub.options.push_back({"exclude", ValueKind::Text, "PATTERNS", "not these files; a list with commas"});
          hub.options.push_back({"force-download", ValueKind::None, "", "fetch again what is there"});
          return std::vector{hub, general_options(true)};
        },
    .run = run,
};

}  // namespace transformers::cli
