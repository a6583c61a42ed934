#include "transformers/pretrained/source.h"

#include <algorithm>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/gguf.h"

namespace transformers {

namespace fs = std::filesystem;

constexpr int64_t kMostConfigBytes = int64_t{64} << 20;

Source find_source(const std::string& name_or_path, const FromPretrainedOptions& options) {
  return {.snapshot = resolve_snapshot(
              name_or_path,
              {.revision = options.revision, .subfolder = options.subfolder, .cache_dir = options.cache_dir})};
}

namespace {

std::string with_variant(std::string_view name, const std::optional<std::string>& variant) {
  if (!variant) return std::string(name);
  const auto dot = name.rfind('.');
  return str(name.substr(0, dot), ".", *variant, name.substr(dot));
}

// P60: in this order.
struct WeightsName {
  std::string_view file;
  bool is_safetensors;
};
constexpr WeightsName kWeightsNames[] = {{"model.safetensors", true},
                                         {"model.safetensors.index.json", true},
                                         {"pytorch_model.bin", false},
                                         {"pytorch_model.bin.index.json", false}};

bool is_wanted(const WeightsName& name, const FromPretrainedOptions& options) {
  return !options.use_safetensors || *options.use_safetensors == name.is_safetensors;
}

[[noreturn]] void no_weights(const Snapshot& snapshot, const FromPretrainedOptions& options) {
  std::string hint;
  constexpr std::pair<std::string_view, std::string_view> kForeign[] = {{"tf_model.h5", "a TensorFlow file"},
                                                                        {"flax_model.msgpack", "a Flax file"}};
  for (const auto& [file, what] : kForeign)
    if (snapshot.has(file)) hint = str("; there is ", what, " (", file, "), which this version does not read");
  std::vector<std::string> tried;
  for (const auto& name : kWeightsNames) {
    const auto file = with_variant(name.file, options.variant);
    if (is_wanted(name, options))
      tried.push_back(file);
    else if (snapshot.has(file))
      hint = str("; there is ", file, ", which use_safetensors=", name.is_safetensors ? "false" : "true", " rules out");
  }
  throw OSError(str(snapshot.folder, ": no weights; looked for ", join(tried, ", "), " and a single .gguf file", hint));
}

// A single file was named: it must be what `use_safetensors` asks for.
void check_single(const fs::path& file, const FromPretrainedOptions& options) {
  if (!options.use_safetensors) return;
  const bool is_safetensors = file.filename().native().find(".safetensors") != std::string::npos;
  if (*options.use_safetensors && !is_safetensors)
    throw OSError(str(file, ": is no safetensors file, and use_safetensors=true asks for nothing else"));
  if (!*options.use_safetensors && is_safetensors)
    throw OSError(str(file, ": is a safetensors file, and use_safetensors=false asks for none"));
}

}  // namespace

// P62: weights that another framework wrote keep other names and layouts.
static void check_format(const CheckpointReader& reader) {
  const auto* format = reader.dialect() == "gguf" ? nullptr : reader.metadata().find("format");
  if (!format || !format->is_string()) return;
  const auto& value = format->as_string();
  if (value == "tf" || value == "flax")
    throw NotImplementedError(str(reader.files().front(), ": holds weights in the layout of ", quote(value),
                                  ", which this version does not read"));
  if (value != "pt" && value != "mlx")
    throw OSError(str(reader.files().front(), ": its metadata has the unknown format ", quote(value),
                      ", expected 'pt', 'mlx', 'tf' or 'flax'"));
}

void open_weights(Source& source, const FromPretrainedOptions& options) {
  if (source.reader) return;
  const auto& snapshot = source.snapshot;
  if (!snapshot.weights_file.empty()) {
    check_single(snapshot.weights_file, options);
    source.reader = open_checkpoint(snapshot.weights_file);
    return check_format(*source.reader);
  }
  for (const auto& name : kWeightsNames) {
    const auto file = with_variant(name.file, options.variant);
    if (!is_wanted(name, options) || !snapshot.has(file)) continue;
    source.reader = open_checkpoint(snapshot.file(file));
    return check_format(*source.reader);
  }
  no_weights(snapshot, options);
}

namespace {

struct ConfigFile {
  Json json;
  std::string where;
};

ConfigFile read_config(Source& source, const FromPretrainedOptions& options) {
  const auto& snapshot = source.snapshot;
  const bool single = !snapshot.weights_file.empty();
  // A GGUF file describes itself; a config.json beside it belongs to other weights.
  if (single && snapshot.weights_file.extension() == ".gguf") {
    open_weights(source, options);
    return {gguf_config(*source.reader, snapshot.weights_file.native()), snapshot.weights_file.string()};
  }
  const auto name = snapshot.weights_file.filename().string();
  if (name.ends_with(".json") && !name.ends_with(".index.json"))
    return {Json::parse_file(snapshot.weights_file, kMostConfigBytes), snapshot.weights_file.string()};
  const auto file = snapshot.file("config.json");
  if (snapshot.has("config.json")) return {Json::parse_file(file, kMostConfigBytes), file.string()};
  std::error_code ignored;
  if (fs::is_empty(snapshot.folder, ignored))
    throw OSError(str(snapshot.folder, ": the folder is empty, expected config.json and weights"));
  if (single) open_weights(source, options);  // a file that is no checkpoint at all says so first
  throw OSError(str(snapshot.folder, ": has no config.json"));
}

// Erases from `kwargs` what is a field of the config, and sets it there.
void apply_overrides(PretrainedConfig& config, Json& kwargs) {
  Json overrides = Json::object(), rest = Json::object();
  for (const auto& [key, value] : kwargs.as_object())
    (key == "num_labels" || config.has_field(key) ? overrides : rest)[key] = value;
  config.update(overrides, "kwargs");
  kwargs = std::move(rest);
}

std::shared_ptr<PretrainedConfig> make_config_object(const ConfigFile& file) {
  if (!file.json.is_object())
    throw OSError(str(file.where, ": is a JSON ", file.json.type_name(), ", expected an object"));
  const auto* type = file.json.find("model_type");
  if (!type || !type->is_string())
    throw ValueError(str(file.where, ": has no 'model_type', so the architecture is unknown; add it"));
  std::shared_ptr<PretrainedConfig> config;
  try {
    config = architecture_of(type->as_string()).config();
  } catch (const ValueError& error) {
    throw ValueError(str(file.where, ": ", error.what()));
  }
  config->update(file.json, file.where);
  return config;
}

}  // namespace

FromPretrainedOptions modern_options(const FromPretrainedOptions& options) {
  enum class Fate { Dtype, Ignored, Warned, Deprecated };
  constexpr std::pair<std::string_view, Fate> table[] = {{"dtype", Fate::Dtype},
                                                         {"torch_dtype", Fate::Dtype},
                                                         {"mirror", Fate::Ignored},
                                                         {"_fast_init", Fate::Ignored},
                                                         {"resume_download", Fate::Ignored},
                                                         {"low_cpu_mem_usage", Fate::Ignored},
                                                         {"trust_remote_code", Fate::Warned},
                                                         {"use_auth_token", Fate::Deprecated}};
  FromPretrainedOptions out = options;
  for (const auto& [key, fate] : table) {
    const auto* found = out.kwargs.find(key);
    if (!found) continue;
    if (fate == Fate::Dtype && !out.dtype && found->is_string()) out.dtype = found->as_string();
    if (fate == Fate::Warned) logging::warning(str(quote(key), " has no effect: no code of a repository is ever run"));
    if (fate == Fate::Deprecated) logging::deprecated(str(quote(key), " is deprecated and has no effect; use 'token'"));
    out.kwargs.erase(key);
  }
  return out;
}

std::shared_ptr<PretrainedConfig> choose_config(Source& source, FromPretrainedOptions& options) {
  std::shared_ptr<PretrainedConfig> config;
  if (options.config && std::holds_alternative<std::shared_ptr<PretrainedConfig>>(*options.config)) {
    const auto& given = std::get<std::shared_ptr<PretrainedConfig>>(*options.config);
    if (!given) throw TypeError("from_pretrained was given a config that is null");
    config = given->clone();
  } else if (options.config) {
    auto other = find_source(std::get<std::filesystem::path>(*options.config).string(), options);
    config = make_config_object(read_config(other, options));
    apply_overrides(*config, options.kwargs);
  } else {
    config = make_config_object(read_config(source, options));
    apply_overrides(*config, options.kwargs);
  }
  config->name_or_path = source.snapshot.source;
  if (options.attn_implementation) config->attn_implementation = *options.attn_implementation;
  return config;
}

}  // namespace transformers
