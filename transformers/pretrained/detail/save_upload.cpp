#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/pretrained/detail/save_files.h"

namespace transformers::detail {

namespace {

std::string text_of(const Json& value, std::string_view name) {
  if (!value.is_string())
    throw TypeError(str("save_pretrained: ", name, " is a ", value.type_name(), ", expected text"));
  return value.as_string();
}

bool flag_of(const Json& value, std::string_view name) {
  if (!value.is_bool())
    throw TypeError(str("save_pretrained: ", name, " is a ", value.type_name(), ", expected a bool"));
  return value.as_bool();
}

struct Argument {
  std::string_view name;
  void (*read)(SaveUpload& upload, const Json& value);
};

void keep_old_name(SaveUpload& upload, std::string_view name, const Json& value) {
  upload.options.deprecated_kwargs[name] = value;
}

constexpr Argument kArguments[] = {
    {"repo_id", [](SaveUpload& u, const Json& v) { u.repo_id = text_of(v, "repo_id"); }},
    {"commit_message", [](SaveUpload& u, const Json& v) { u.options.commit_message = text_of(v, "commit_message"); }},
    {"commit_description",
     [](SaveUpload& u, const Json& v) { u.options.commit_description = text_of(v, "commit_description"); }},
    {"private", [](SaveUpload& u, const Json& v) { u.options.private_ = flag_of(v, "private"); }},
    {"create_pr", [](SaveUpload& u, const Json& v) { u.options.create_pr = flag_of(v, "create_pr"); }},
    {"revision", [](SaveUpload& u, const Json& v) { u.options.revision = text_of(v, "revision"); }},
    {"tags",
     [](SaveUpload& u, const Json& v) {
       if (v.is_string()) return u.options.tags.push_back(v.as_string());
       for (const auto& tag : v.as_array()) u.options.tags.push_back(text_of(tag, "tags"));
     }},
    {"use_auth_token", [](SaveUpload& u, const Json& v) { keep_old_name(u, "use_auth_token", v); }},
    {"repo_path_or_name", [](SaveUpload& u, const Json& v) { keep_old_name(u, "repo_path_or_name", v); }},
    {"repo_url", [](SaveUpload& u, const Json& v) { keep_old_name(u, "repo_url", v); }},
    {"organization", [](SaveUpload& u, const Json& v) { keep_old_name(u, "organization", v); }},
    {"save_config",
     [](SaveUpload& u, const Json& v) {
       logging::deprecated("save_pretrained: the argument save_config is deprecated; use is_main_process");
       u.is_main_process = flag_of(v, "save_config");
     }},
};

}  // namespace

SaveUpload upload_of(const std::filesystem::path& folder, const SavePretrainedOptions& options) {
  SaveUpload upload{.is_main_process = options.is_main_process};
  upload.options.token = options.token;
  if (options.kwargs.size() > 0)
    for (const auto& [key, value] : options.kwargs.as_object()) {
      const auto* found = std::find_if(std::begin(kArguments), std::end(kArguments),
                                       [&, name = std::string_view(key)](const auto& row) { return row.name == name; });
      if (found == std::end(kArguments)) throw TypeError(str("save_pretrained has no argument ", quote(key)));
      if (!value.is_null()) found->read(upload, value);
    }
  const auto& old = upload.options.deprecated_kwargs;
  if (upload.repo_id.empty() && !old.contains("repo_path_or_name") && !old.contains("repo_url"))
    upload.repo_id = std::filesystem::absolute(folder / "").lexically_normal().parent_path().filename().string();
  return upload;
}

}  // namespace transformers::detail
