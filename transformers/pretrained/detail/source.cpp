#include "transformers/pretrained/detail/source.h"

#include <algorithm>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/sharded_writer.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/config/config_file.h"
#include "transformers/hub/adapter.h"
#include "transformers/hub/environment.h"
#include "transformers/hub/repository.h"
#include "transformers/mapping/dialects.h"
#include "transformers/mapping/dialects/gguf.h"
#include "transformers/mapping/int8.h"
#include "transformers/pretrained/detail/dtype_choice.h"
#include "transformers/pretrained/detail/state_dict_reader.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

bool exists(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

// P58: a TensorFlow checkpoint is called by the part that its files share.
std::string whole_name(const std::string& name, const FromPretrainedOptions& options) {
  if (name.empty() || exists(name) || !exists(name + ".index")) return name;
  if (options.from_tf) return name + ".index";
  throw ValueError(str(name, ": is a TensorFlow checkpoint (there is ", name, ".index); set from_tf to load it"));
}

// P73: an adapter alone stands for the model that it was made for, with the adapter attached.
Source with_adapter(const std::string& name, const SnapshotOptions& options) {
  Source source{.snapshot = resolve_snapshot(name, options)};
  if (!source.snapshot.weights_file.empty() || !source.snapshot.has(kAdapterConfigFile)) return source;
  source.adapter = source.snapshot;
  if (is_adapter_alone(source.snapshot)) source.snapshot = base_of_adapter(*source.adapter, options);
  return source;
}

}  // namespace

Source find_source(const std::optional<std::string>& name_or_path, const FromPretrainedOptions& options) {
  if (options.from_tf && options.from_flax)
    throw ValueError("from_pretrained was given both from_tf and from_flax; set the one that the weights are of");
  if (!name_or_path) {
    if (!options.state_dict) throw ValueError("from_pretrained needs a name or path, or a state_dict with its config");
    if (!options.config)
      throw ValueError("from_pretrained without a name or path needs a config beside the state_dict");
    return {.snapshot = {.source = "the given state_dict"},
            .reader = detail::open_state_dict(*options.state_dict),
            .is_memory = true};
  }
  if (options.state_dict)
    throw ValueError(str("from_pretrained was given both the name ", quote(*name_or_path),
                         " and a state_dict; give a state_dict without a name, with its config"));
  return with_adapter(whole_name(*name_or_path, options), lookup_of(options));
}

namespace {

// When the files of a format are looked at.
struct FormatRule {
  std::string_view format;  // CheckpointFormat::name
  bool (*is_wanted)(const FromPretrainedOptions&);
  bool has_variants;
  std::string_view hint;  // for a file that is there and was not wanted
};
// P60: in this order. Other frameworks' files have no variants, and count only where they are asked for.
constexpr FormatRule kFormatRules[] = {
    {"tf_bundle", [](const FromPretrainedOptions& o) { return o.from_tf; }, false,
     "a TensorFlow file: set from_tf to load it, or name the file"},
    {"keras", [](const FromPretrainedOptions& o) { return o.from_tf; }, false,
     "a TensorFlow file: set from_tf to load it, or name the file"},
    {"flax", [](const FromPretrainedOptions& o) { return o.from_flax; }, false,
     "a Flax file: set from_flax to load it, or name the file"},
    {"safetensors", [](const FromPretrainedOptions& o) { return o.use_safetensors.value_or(true); }, true,
     "which use_safetensors=false rules out"},
    {"pytorch", [](const FromPretrainedOptions& o) { return !o.use_safetensors.value_or(false); }, true,
     "which use_safetensors=true rules out"},
};

struct Candidate {
  std::string file = {};
  const FormatRule* rule = nullptr;
};

// Every name that a model's weights may have, an adapter's apart, in the order in which they are looked for.
std::vector<Candidate> candidates(const FromPretrainedOptions& options) {
  std::vector<Candidate> out;
  for (const auto& rule : kFormatRules)
    for (const auto& name : weights_names())
      if (name.format == rule.format && !name.is_adapter)
        out.push_back({with_variant(name.file, rule.has_variants ? options.variant : std::nullopt), &rule});
  return out;
}

[[noreturn]] void no_weights(const Snapshot& snapshot, const FromPretrainedOptions& options) {
  std::string hint;
  std::vector<std::string> tried;
  std::error_code ignored;
  for (const auto& [file, rule] : candidates(options)) {
    if (rule->is_wanted(options) && fs::exists(fs::symlink_status(snapshot.folder / file, ignored)))
      throw OSError(str(snapshot.folder / file, fs::exists(snapshot.folder / file, ignored)
                                                    ? ": is no plain file; weights cannot be read from it"
                                                    : ": is a link to a file that is gone; fetch it again"));
    if (rule->is_wanted(options))
      tried.push_back(file);
    else if (snapshot.has(file))
      hint = str("; there is ", file, ", ", rule->hint);
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

// P62, P70: what a file says of its own format is looked at before anything is built.
static void check_format(const CheckpointReader& reader, const FromPretrainedOptions& options) {
  const auto& dialect = dialect_of(reader);
  const auto& entries = reader.entries();
  const bool is_bf16 = std::any_of(entries.begin(), entries.end(),
                                   [](const CheckpointEntry& entry) { return entry.dtype == DataType::BF16; });
  if (dialect.name == "flax" && is_bf16 && !options.dtype)
    logging::warning(
        str(reader.files().front(), ": holds bfloat16 weights, which become float32; set dtype to keep them"));
}

static void open_file(Source& source, const fs::path& file, const FromPretrainedOptions& options) {
  auto reader = open_checkpoint(file);
  source.is_int8 = is_int8_checkpoint(*reader);
  source.reader = expand_int8(std::move(reader));
  check_format(*source.reader, options);
}

bool has_weights_here(const Source& source, const FromPretrainedOptions& options) {
  const auto& snapshot = source.snapshot;
  const auto named = snapshot.weights_file.filename().native();
  if (source.reader || !named.empty()) return source.reader || !named.ends_with(".json") || is_shard_index(named);
  const auto is_here = [&](const std::string& file) {
    return snapshot.remote ? snapshot.remote->cached(file) && !is_shard_index(file) : snapshot.has(file);
  };
  const auto names = candidates(options);
  return std::any_of(names.begin(), names.end(),
                     [&](const Candidate& c) { return c.rule->is_wanted(options) && is_here(c.file); });
}

void open_weights(Source& source, const FromPretrainedOptions& options) {
  if (source.reader) return;
  const auto& snapshot = source.snapshot;
  if (!snapshot.weights_file.empty()) {
    check_single(snapshot.weights_file, options);
    return open_file(source, snapshot.weights_file, options);
  }
  for (const auto& [file, rule] : candidates(options)) {
    if (!rule->is_wanted(options) || !snapshot.has(file)) continue;
    return open_file(source, snapshot.file(file), options);
  }
  no_weights(snapshot, options);
}

Json read_config_json(Source& source, const FromPretrainedOptions& options) {
  const auto& snapshot = source.snapshot;
  const bool single = !snapshot.weights_file.empty();
  // A GGUF file describes itself; a config.json beside it belongs to other weights.
  if (single && snapshot.weights_file.extension() == ".gguf") {
    open_weights(source, options);
    source.config_origin = snapshot.weights_file.string();
    return gguf_config(*source.reader, snapshot.weights_file.native());
  }
  const auto name = snapshot.weights_file.filename().string();
  const bool is_config = name.ends_with(".json") && !is_shard_index(name);
  const auto file = is_config ? snapshot.weights_file : snapshot.file("config.json");
  source.config_origin = file.string();
  std::error_code ignored;
  if (fs::exists(file, ignored)) return read_config_file(file);
  if (fs::is_empty(snapshot.folder, ignored))
    throw OSError(str(snapshot.folder, ": the folder is empty, expected config.json and weights"));
  if (single) {
    open_weights(source, options);  // a file that is no checkpoint at all says so first
    throw OSError(str(snapshot.weights_file, ": there is no config.json beside it"));
  }
  throw OSError(str(snapshot.folder, ": has no config.json"));
}

std::shared_ptr<PretrainedConfig> read_config(Source& source, const FromPretrainedOptions& options) {
  const auto json = read_config_json(source, options);
  return PretrainedConfig::from_dict(json, source.config_origin);
}

FromPretrainedOptions modern_options(const FromPretrainedOptions& options) {
  enum class Fate { IsDtype, IsToken, Ignored, Warned };
  constexpr std::pair<std::string_view, Fate> table[] = {{"dtype", Fate::IsDtype},
                                                         {"torch_dtype", Fate::IsDtype},
                                                         {"mirror", Fate::Ignored},
                                                         {"_fast_init", Fate::Ignored},
                                                         {"resume_download", Fate::Ignored},
                                                         {"low_cpu_mem_usage", Fate::Ignored},
                                                         {"trust_remote_code", Fate::Warned},
                                                         {"use_auth_token", Fate::IsToken}};
  FromPretrainedOptions out = options;
  if (!out.dtype) out.dtype = out.torch_dtype;
  for (const auto& [key, fate] : table) {
    const auto* found = out.kwargs.find(key);
    if (!found) continue;
    if (fate == Fate::IsDtype && !out.dtype && !found->is_null()) out.dtype = dtype_from_json(*found, key);
    if (fate == Fate::Warned) logging::warning(str(quote(key), " has no effect: no code of a repository is ever run"));
    if (fate == Fate::IsToken && !found->is_null()) hub::take_old_token(out.token, *found);
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
    if (!given->name_or_path.empty()) source.config_origin = str("the config of ", given->name_or_path);
  } else if (options.config) {
    auto other_options = options;
    other_options.state_dict.reset();
    auto other = find_source(std::get<std::filesystem::path>(*options.config).string(), other_options);
    config = read_config(other, options);
    source.config_origin = other.config_origin;
    options.kwargs = config->override_with(options.kwargs);
  } else {
    config = read_config(source, options);
    options.kwargs = config->override_with(options.kwargs);
  }
  if (!source.is_memory) config->name_or_path = source.snapshot.source;
  if (options.attn_implementation) config->attn_implementation = *options.attn_implementation;
  return config;
}

}  // namespace transformers
