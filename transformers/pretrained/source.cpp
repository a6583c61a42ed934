#include "transformers/pretrained/source.h"

#include <algorithm>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/dialects/gguf.h"

namespace transformers {

namespace fs = std::filesystem;

constexpr int64_t kMostConfigBytes = int64_t{64} << 20;

Source find_source(const std::string& name_or_path, const FromPretrainedOptions& options) {
  return {.snapshot = resolve_snapshot(name_or_path, {.revision = options.revision,
                                                      .subfolder = options.subfolder,
                                                      .cache_dir = options.cache_dir})};
}

namespace {

std::string with_variant(std::string_view name, const std::optional<std::string>& variant) {
  if (!variant) return std::string(name);
  const auto dot = name.rfind('.');
  return str(name.substr(0, dot), ".", *variant, name.substr(dot));
}

[[noreturn]] void no_weights(const Snapshot& snapshot, const std::vector<std::string>& tried) {
  std::string hint;
  struct Foreign {
    std::string_view file, what;
  };
  constexpr Foreign foreign[] = {{"pytorch_model.bin", "a PyTorch pickle"},
                                 {"pytorch_model.bin.index.json", "PyTorch pickles"},
                                 {"tf_model.h5", "a TensorFlow file"},
                                 {"flax_model.msgpack", "a Flax file"}};
  for (const auto& [file, what] : foreign)
    if (snapshot.has(file)) hint = str("; there is ", what, " (", file, "), which this version does not read");
  throw OSError(str(snapshot.folder, ": no weights; looked for ", join(tried, ", "), " and a single .gguf file", hint));
}

}  // namespace

void open_weights(Source& source, const FromPretrainedOptions& options) {
  if (source.reader) return;
  const auto& snapshot = source.snapshot;
  if (options.use_safetensors == false)
    throw NotImplementedError("use_safetensors=false asks for PyTorch pickles, which this version does not read");
  if (!snapshot.weights_file.empty()) {
    source.reader = open_checkpoint(snapshot.weights_file);
    return;
  }
  std::vector<std::string> tried;
  for (const auto* name : {"model.safetensors", "model.safetensors.index.json"}) {
    tried.push_back(with_variant(name, options.variant));
    if (!snapshot.has(tried.back())) continue;
    source.reader = open_checkpoint(snapshot.file(tried.back()));
    return;
  }
  no_weights(snapshot, tried);
}

Json read_config(Source& source, const FromPretrainedOptions& options) {
  const auto& snapshot = source.snapshot;
  const bool single = !snapshot.weights_file.empty();
  // A GGUF file describes itself; a config.json beside it belongs to other weights.
  if (single && snapshot.weights_file.extension() == ".gguf") {
    open_weights(source, options);
    return gguf_config(*source.reader, snapshot.weights_file.native());
  }
  const auto name = snapshot.weights_file.filename().string();
  if (name.ends_with(".json") && !name.ends_with(".index.json"))
    return Json::parse_file(snapshot.weights_file, kMostConfigBytes);
  if (!snapshot.has("config.json")) {
    std::error_code ignored;
    if (fs::is_empty(snapshot.folder, ignored)) throw OSError(str(snapshot.folder, ": the folder is empty, expected config.json and weights"));
    if (single) open_weights(source, options);  // a file that is no checkpoint at all says so first
    throw OSError(str(snapshot.folder, ": has no config.json"));
  }
  return Json::parse_file(snapshot.file("config.json"), kMostConfigBytes);
}

static bool is_config_field(const PretrainedConfig& config, std::string_view key) {
  return key == "num_labels" || config.has_field(key);
}

Json constructor_arguments(const PretrainedConfig& config, const FromPretrainedOptions& options) {
  Json arguments = Json::object();
  for (const auto& [key, value] : options.kwargs.as_object())
    if (!is_config_field(config, key)) arguments[key] = value;
  return arguments;
}

std::shared_ptr<PretrainedConfig> make_config_object(const Json& json, const std::string& where,
                                                     const FromPretrainedOptions& options) {
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
  Json overrides = Json::object();
  for (const auto& [key, value] : options.kwargs.as_object())
    if (is_config_field(*config, key)) overrides[key] = value;
  config->update(overrides, "kwargs");
  return config;
}

}  // namespace transformers
