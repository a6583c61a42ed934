#include "apps/cli/torch/loading.h"

#include <ATen/Parallel.h>

#include "apps/cli/options.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/sharded_writer.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/config/config_file.h"

namespace transformers::cli {

namespace {

void refuse_later_options(const Arguments& arguments) {
  for (const auto* name : {"quantize", "assistant-model"})
    if (arguments.has(name)) throw NotImplementedError(str("--", name, " is not part of this version"));
}

Device parse_device(const Json& value, const std::string& where) {
  if (value.is_int()) return value.as_int();
  if (value.is_string()) return value.as_string();
  throw ValueError(str(where, ": a device is a ", value.type_name(), ", expected a number or a name"));
}

Device parse_device(const std::string& text) {
  const bool is_number = text.size() < 10 && is_digits(text);
  return is_number ? Device(int64_t{std::stoll(text)}) : Device(text);
}

// A word, a device, or a JSON file {"module": device}.
DeviceMapArg parse_device_map(const std::string& text) {
  if (!text.ends_with(".json")) {
    const auto device = parse_device(text);
    const auto* number = std::get_if<int64_t>(&device);
    const DeviceMapArg map = number ? DeviceMapArg(*number) : DeviceMapArg(text);
    try {
      if (!is_automatic(map)) static_cast<void>(explicit_device_map(map));
    } catch (const ValueError& error) {
      throw UsageError(str("--device-map: ", error.what()));
    }
    return map;
  }
  auto json = read_config_file(text);
  // What the command device-map prints has the map inside.
  if (const auto* map = json.find("device_map"); map && map->is_object()) json = Json(*map);
  DeviceMap map;
  for (const auto& [module, device] : json.as_object()) map.set(module, parse_device(device, text));
  return map;
}

MaxMemory parse_max_memory(const std::string& text) {
  MaxMemory limits;
  for (const auto& part : split(text, ',')) {
    const auto equals = part.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError(str("--max-memory has the part ", quote(part), ", expected DEVICE=SIZE such as cpu=8GiB"));
    const auto device = parse_device(std::string(trim(std::string_view(part).substr(0, equals))));
    const auto size = std::string(trim(std::string_view(part).substr(equals + 1)));
    try {
      if (limits.contains(canonical_device(device)))
        throw UsageError(str("--max-memory names ", to_string(device), " twice; name it once"));
      limits.set(canonical_device(device), parse_size(size));
    } catch (const ValueError& error) {
      throw UsageError(str("--max-memory: ", error.what()));
    }
  }
  return limits;
}

const ModelClass& generating_class(const PretrainedConfig& config) {
  for (const auto& name : config.architectures)
    if (const auto* row = find_model_class(name); row && row->can_generate) return *row;
  return class_for(config, config.is_encoder_decoder ? Task::Seq2SeqLM : Task::CausalLM);
}

void refuse_missing_weights(const PreTrainedModel& model, const LoadingInfo& info) {
  if (info.missing_keys.empty()) return;
  const std::vector<std::string> keys(info.missing_keys.begin(), info.missing_keys.end());
  constexpr size_t kShown = 6;
  auto names = fold_names(keys);
  if (names.size() > kShown) {
    names.resize(kShown);
    names.emplace_back("…");
  }
  throw ValueError(str(model.name_or_path, ": cannot generate text as ", model.model_class().name,
                       ": the checkpoint lacks ", join(names, ", "),
                       ", which would be random; choose a model with a language model head"));
}

// Of a folder every file; of a model that is one file, that and its config.
std::vector<std::filesystem::path> files_of_model(const Arguments& arguments) {
  std::error_code ignored;
  const auto snapshot = snapshot_of(arguments);
  if (std::filesystem::is_regular_file(arguments.positional.front(), ignored))
    return {arguments.positional.front(), snapshot.folder / "config.json"};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(snapshot.folder, ignored)) files.push_back(entry.path());
  return files;
}

// The program has no --from-tf: a folder that holds nothing else says it by itself.
void take_other_frameworks(const Arguments& arguments, FromPretrainedOptions& options) {
  const auto folder = std::filesystem::path(arguments.positional.front()) / options.subfolder;
  std::error_code ignored;
  for (const auto& row : weights_names()) {
    if (row.is_adapter || !std::filesystem::exists(folder / with_variant(row.file, options.variant), ignored)) continue;
    options.from_tf = row.format == "keras" || row.format == "tf_bundle";
    options.from_flax = row.format == "flax";
    return;
  }
}

}  // namespace

FromPretrainedOptions loading_arguments(const Arguments& arguments) {
  refuse_later_options(arguments);
  if (arguments.has("threads"))
    at::set_num_threads(static_cast<int>(arguments.integer("threads", 1)));  // the parser has checked it
  FromPretrainedOptions options{.local_files_only = arguments.has("local-files-only"),
                                .revision = arguments.text("revision", "main"),
                                .attn_implementation = arguments.find("attn-implementation"),
                                .dtype = arguments.text("dtype", "auto"),
                                .subfolder = arguments.text("subfolder"),
                                .variant = arguments.find("variant"),
                                .ignore_unmatched_keys = arguments.has("ignore-unmatched-keys")};
  if (const auto token = arguments.find("token")) options.token = *token;
  if (const auto map = arguments.find("device-map")) options.device_map = parse_device_map(*map);
  if (const auto limits = arguments.find("max-memory")) {
    options.max_memory = parse_max_memory(*limits);
    if (!options.device_map || !is_automatic(*options.device_map))
      throw UsageError("--max-memory is for automatic maps; give --device-map auto with it");
  }
  if (const auto folder = arguments.find("offload-folder")) options.offload_folder = *folder;
  if (const auto folder = arguments.find("cache-dir")) options.cache_dir = *folder;
  take_other_frameworks(arguments, options);
  return options;
}

void refuse_files_of_model(const Arguments& arguments, std::initializer_list<const char*> options) {
  std::error_code ignored;
  for (const auto* option : options) {
    const auto file = std::filesystem::path(arguments.text(option));
    if (file.empty()) continue;
    const auto parent = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
    if (!std::filesystem::is_directory(parent, ignored))
      throw FileNotFoundError(str("--", option, " is ", file, ", but there is no folder ", parent));
    if (std::filesystem::is_directory(file, ignored))
      throw ValueError(str("--", option, " is ", file, ", which is a folder; name a file"));
    if (!std::filesystem::exists(file, ignored)) continue;
    for (const auto& own : files_of_model(arguments))
      if (std::filesystem::equivalent(own, file, ignored))
        throw ValueError(str("--", option, " is ", file, ", a file of the model that is loaded; name another"));
  }
}

std::shared_ptr<PretrainedConfig> read_config(const Arguments& arguments, FromPretrainedOptions& options) {
  const auto config = AutoConfig::from_pretrained(arguments.positional.front(), options);
  options.config = config;
  options.kwargs = Json::object();  // the commands set fields of the config only: it has them now
  return config;
}

LoadResult<PreTrainedModel> load_model(const Arguments& arguments, FromPretrainedOptions options) {
  static_cast<void>(read_config(arguments, options));
  return load_by_class_name(arguments.positional.front(), arguments.text("class"), options);
}

std::shared_ptr<PreTrainedModel> load_generator(const Arguments& arguments) {
  auto options = loading_arguments(arguments);
  options.output_loading_info = true;
  const auto loaded = [&]() -> LoadResult<PreTrainedModel> {
    if (arguments.has("class")) return load_model(arguments, options);
    const auto config = read_config(arguments, options);
    return load_pretrained(arguments.positional.front(), generating_class(*config), options);
  }();
  if (!loaded->can_generate())
    throw ValueError(str("--class ", loaded->model_class().name,
                         " cannot generate text: it has no language model head; name a class that has one"));
  refuse_missing_weights(*loaded, *loaded.loading_info);
  return loaded;
}

std::shared_ptr<PreTrainedTokenizer> load_tokenizer(const Arguments& arguments) {
  return AutoTokenizer::from_pretrained(tokenizer_path(arguments));
}

}  // namespace transformers::cli
