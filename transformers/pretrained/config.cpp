// What PretrainedConfig declares and only a layer that knows every architecture and every file can do.
#include "transformers/config/config.h"

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/config/config_file.h"
#include "transformers/config/generation_config.h"
#include "transformers/hub/environment.h"
#include "transformers/hub/repository.h"
#include "transformers/pretrained/detail/source.h"

namespace transformers {

namespace {

// The old name of the token is taken out of the keyword arguments.
FromPretrainedOptions loading_options(const ConfigFromPretrainedOptions& options) {
  FromPretrainedOptions out{.cache_dir = options.cache_dir,
                            .force_download = options.force_download,
                            .proxies = options.proxies,
                            .local_files_only = options.local_files_only,
                            .token = options.token,
                            .revision = options.revision,
                            .subfolder = options.subfolder,
                            .kwargs = options.kwargs};
  if (const auto* old = out.kwargs.find("use_auth_token")) {
    if (!old->is_null()) hub::take_old_token(out.token, *old);
    out.kwargs.erase("use_auth_token");
  }
  return out;
}

void apply(PretrainedConfig& config, const Json& kwargs, const std::string& name) {
  const auto rest = config.override_with(kwargs);
  if (rest.size() > 0)
    throw TypeError(str(config.model_type(), " configs have no field ", quote(rest.as_object().front().first)));
  config.name_or_path = name;
}

}  // namespace

std::shared_ptr<PretrainedConfig> PretrainedConfig::from_dict(const Json& json, std::string_view where) {
  if (!json.is_object()) throw OSError(str(where, ": is a JSON ", json.type_name(), ", expected an object"));
  const auto* type = json.find("model_type");
  if (!type || !type->is_string())
    throw ValueError(str(where, ": has no 'model_type', so the architecture is unknown; add it"));
  std::shared_ptr<PretrainedConfig> config;
  try {
    config = architecture_of(type->as_string()).config();
  } catch (const ValueError& error) {
    throw ValueError(str(where, ": ", error.what()));
  }
  config->update(json, where);
  return config;
}

std::shared_ptr<PretrainedConfig> PretrainedConfig::from_json_file(const std::filesystem::path& json_file) {
  return from_dict(read_config_file(json_file), json_file.native());
}

std::shared_ptr<PretrainedConfig> PretrainedConfig::from_pretrained(const std::string& name,
                                                                    const ConfigFromPretrainedOptions& options) {
  const auto loading = loading_options(options);
  auto source = find_source(name, loading);
  auto config = read_config(source, loading);
  apply(*config, loading.kwargs, name);
  return config;
}

void PretrainedConfig::read_dict(const Json& json, std::string_view where) {
  if (const auto* type = json.find("model_type"); type && type->is_string() && type->as_string() != model_type())
    logging::warning(str(where, ": describes a model of type ", quote(type->as_string()), ", it is read as ",
                         quote(model_type()), "; what the types do not share is lost"));
  update(json, where);
}

void PretrainedConfig::read_json_file(const std::filesystem::path& json_file) {
  read_dict(read_config_file(json_file), json_file.native());
}

void PretrainedConfig::read_pretrained(const std::string& name, const ConfigFromPretrainedOptions& options) {
  const auto loading = loading_options(options);
  auto source = find_source(name, loading);
  const auto json = read_config_json(source, loading);
  read_dict(json, source.config_origin);
  apply(*this, loading.kwargs, name);
}

GenerationConfig GenerationConfig::from_pretrained(const std::string& name, const ConfigFromPretrainedOptions& options,
                                                   std::string_view file) {
  const auto loading = loading_options(options);
  const auto snapshot = resolve_snapshot(name, lookup_of(loading));
  if (snapshot.remote && !snapshot.has(file)) static_cast<void>(snapshot.remote->fetch(file));  // says why not
  auto config = from_folder(snapshot.folder, file);
  if (loading.kwargs.size() == 0) return config;
  const auto rest = config.update(loading.kwargs);
  if (rest.size() > 0) throw TypeError(str("generation configs have no field ", quote(rest.as_object().front().first)));
  return config;
}

}  // namespace transformers
