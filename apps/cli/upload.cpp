#include "transformers/hub/upload.h"

#include "apps/cli/options.h"
#include "apps/cli/progress_bar.h"
#include "apps/cli/terminal.h"
#include "transformers/base/strings.h"

namespace transformers::cli {

namespace {

UploadOptions upload_options(const Arguments& arguments) {
  UploadOptions options;
  options.revision = arguments.text("revision", options.revision);
  options.create_pr = arguments.has("create-pr");
  if (arguments.has("private")) options.private_ = true;
  options.commit_message = arguments.text("commit-message", options.commit_message);
  options.commit_description = arguments.text("commit-description");
  options.parent_commit = arguments.text("parent-commit");
  if (const auto token = arguments.find("token")) options.token = *token;
  return options;
}

FolderOptions folder_options(const Arguments& arguments) {
  FolderOptions options{.path_in_repo = arguments.text("path-in-repo")};
  if (const auto chosen = arguments.find("include")) options.patterns.allow = split(*chosen, ',');
  if (const auto ignored = arguments.find("exclude")) options.patterns.ignore = split(*ignored, ',');
  return options;
}

// A folder, or one file under its own name.
CommitInfo upload(const Arguments& arguments) {
  const std::filesystem::path source = arguments.positional[0];
  const auto& repo = arguments.positional[1];
  const auto choice = folder_options(arguments);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(source, ignored))
    return upload_folder(source, repo, upload_options(arguments), choice);
  if (arguments.has("include") || arguments.has("exclude"))
    throw UsageError("--include and --exclude choose from a folder, and this is a file");
  const auto name = source.filename().string();
  return upload_file(source, choice.path_in_repo.empty() ? name : str(choice.path_in_repo, "/", name), repo,
                     upload_options(arguments));
}

int run(const Arguments& arguments) {
  CommitInfo info;
  {
    const ProgressBar bar(arguments);
    info = upload(arguments);
  }
  if (!arguments.has("json")) {
    if (!info.is_new && !arguments.has("quiet")) write_error("nothing has changed; no commit was made\n");
    write_out(info.url() + "\n");
    return 0;
  }
  Json json(Json::Object{{"url", info.url()},
                         {"repo_id", info.repo_id},
                         {"commit", info.oid},
                         {"commit_url", info.commit_url},
                         {"is_new", info.is_new}});
  json["pr_url"] = info.pr_url.empty() ? Json() : Json(info.pr_url);
  write_out(json.dump() + "\n");
  return 0;
}

OptionGroup upload_group() {
  return {.title = "Upload",
          .options = {{"revision", ValueKind::Name, "BRANCH", "write there; made when it is absent (default: main)"},
                      {"create-pr", ValueKind::None, "", "open a pull request instead of committing"},
                      {"private", ValueKind::None, "", "when the repository is made, only for its owner"},
                      {"commit-message", ValueKind::Text, "TEXT", "first line of the commit"},
                      {"commit-description", ValueKind::FreeText, "TEXT", "what stands under it"},
                      {"parent-commit", ValueKind::Name, "COMMIT", "fail when the branch has moved since"},
                      {"path-in-repo", ValueKind::Text, "FOLDER", "put the files there"},
                      {"include", ValueKind::Text, "PATTERNS", "only these files; a list with commas"},
                      {"exclude", ValueKind::Text, "PATTERNS", "not these files; a list with commas"},
                      {"token", ValueKind::Text, "TOKEN", "instead of the stored one"}}};
}

}  // namespace

extern const Command upload_command;
constinit const Command upload_command{
    .name = "upload",
    .summary = "puts a folder into a Hub repository, in one commit",
    .usage = "DIR REPO",
    .details =
        "Makes the repository when it is absent. Files that are there are not sent again, and an upload that broke "
        "goes "
        "on when the command is run again. `.git` and temporary files are left out; links out of the folder are "
        "refused. DIR may be a single file. Prints the address of the commit or pull request.",
    .least_positional = 2,
    .most_positional = 2,
    .options =
        [] {
          return std::vector{upload_group(), general_options(true)};
        },
    .run = run,
};

}  // namespace transformers::cli
