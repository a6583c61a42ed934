#include "transformers/mapping/detail/convert_target.h"

#include <algorithm>
#include <array>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/partial_folder.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/flax.h"
#include "transformers/checkpoint/flax_names.h"
#include "transformers/checkpoint/gguf.h"
#include "transformers/checkpoint/keras_h5.h"
#include "transformers/checkpoint/pickle.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/checkpoint/tf_bundle.h"
#include "transformers/checkpoint/weights_files.h"

namespace transformers {

namespace detail {

namespace fs = std::filesystem;

namespace {

// F16: the index of a Flax checkpoint joins the keys of the tree with "/".
std::string flax_index_key(const std::string& name) { return join(flax_keys(name), "/"); }

constexpr ConvertTarget kTargets[] = {
    {.name = "flax",
     .format = &flax_format,
     .file = "flax_model.msgpack",
     .shard_size = "10GB",
     .oversized = OversizedTensor::ClosesShard,
     .index_key = flax_index_key},
    {.name = "gguf", .format = &gguf_format},
    {.name = "pt",
     .format = &pytorch_format,
     .file = "pytorch_model.bin",
     .shard_size = "50GB",
     .counts_parameters = true},
    {.name = "safetensors",
     .format = &safetensors_format,
     .file = "model.safetensors",
     .shard_size = "50GB",
     .counts_parameters = true,
     .stated_format = "pt"},
    {.name = "tf",
     .kind = "h5",
     .format = &keras_format,
     .file = "tf_model.h5",
     .shard_size = "10GB",
     .oversized = OversizedTensor::ClosesShard},
    {.name = "tf", .kind = "bundle", .format = &tf_bundle_format, .file = "model.ckpt.index"},
};

constexpr std::string_view kUsualKind = "h5";
constexpr bool is_usual(const ConvertTarget& target) { return target.kind.empty() || target.kind == kUsualKind; }

constexpr auto kTargetNames = [] {
  std::array<std::string_view, static_cast<size_t>(std::count_if(std::begin(kTargets), std::end(kTargets), is_usual))>
      names;
  size_t count = 0;
  for (const auto& target : kTargets)
    if (is_usual(target)) names[count++] = target.name;
  return names;
}();

// What a model's folder holds beside its weights and config.json.
constexpr std::string_view kSideFiles[] = {
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "config_sentence_transformers.json",
    "generation_config.json",
    "merges.txt",
    "modules.json",
    "preprocessor_config.json",
    "processor_config.json",
    "sentence_bert_config.json",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
};

void carry_over(const fs::path& from, const fs::path& to) {
  constexpr size_t kMostBytes = size_t{256} << 20;  // of a large vocabulary's tokenizer.json, many times over
  const auto mapped = MappedFile::open(from);
  if (mapped->bytes().size() > kMostBytes)
    throw OSError(str(from, ": has ", mapped->bytes().size(), " bytes, at most ", kMostBytes, " are carried over"));
  AtomicFile out(to);
  out.write(mapped->bytes());
  out.commit();
}

// The folders that a sentence-transformers model names in modules.json (1_Pooling …), with their settings: without
// them its embeddings would be others.
void carry_modules_over(const fs::path& from, FileTransaction& transaction) {
  constexpr int64_t kMostBytes = 1 << 20;
  if (!fs::is_regular_file(from / "modules.json")) return;
  const auto modules = Json::parse_file(from / "modules.json", kMostBytes);
  if (!modules.is_array()) return;
  for (const auto& module : modules.as_array()) {
    const auto* path = module.is_object() ? module.find("path") : nullptr;
    if (!path || !path->is_string() || path->as_string().empty()) continue;
    const auto where = (from / "modules.json").native();
    const auto source = path_inside(from, path->as_string(), where) / "config.json";
    if (!fs::is_regular_file(source)) continue;
    carry_over(source, transaction.stage((fs::path(path->as_string()) / "config.json").lexically_normal().native()));
  }
}

// Further chat templates of a tokenizer.
void carry_templates_over(const fs::path& from, FileTransaction& transaction) {
  constexpr const char* kFolder = "additional_chat_templates";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(from / kFolder, ignored))
    if (entry.path().extension() == ".jinja" && entry.is_regular_file(ignored))
      carry_over(entry.path(), transaction.stage(str(kFolder, "/", entry.path().filename().native())));
}

std::string weights_name(const ConvertTarget& target, const ConvertedCheckpoint& checkpoint) {
  if (!target.file.empty()) return std::string(target.file);
  const bool is_plain = !checkpoint.model_name.empty() && checkpoint.model_name.front() != '.' &&
                        checkpoint.model_name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  return (is_plain ? checkpoint.model_name : "model") + std::string(target.format->extension);
}

int64_t parameters_of(std::span<const CheckpointWriteEntry> entries) {
  int64_t count = 0;
  for (const auto& entry : entries) count += entry.alias_of.empty() ? element_count(entry.shape).value_or(0) : 0;
  return count;
}

// The data of a TensorFlow checkpoint lies beside its index; that of an older one under the same name goes.
void add_data_files(FileTransaction& transaction, std::vector<std::string>& files) {
  const auto start = fs::path(files.front()).stem().native() + ".data-";
  const auto in = [&](const fs::path& folder, const auto& found) {
    for (const auto& entry : fs::directory_iterator(folder))
      if (const auto name = entry.path().filename().native(); name.starts_with(start)) found(name);
  };
  in(transaction.folder(), [&](const std::string& name) { transaction.remove(name); });
  in(transaction.staging_folder(), [&](const std::string& name) { files.push_back(name); });
  std::sort(files.begin(), files.end());
}

std::vector<std::string> write_weights(FileTransaction& transaction, const ConvertTarget& target,
                                       const ConvertedCheckpoint& checkpoint, const ConvertOptions& options) {
  ShardedWriteOptions sharding{.name = weights_name(target, checkpoint),
                               .variant = options.variant,
                               .oversized = target.oversized,
                               .metadata = checkpoint.metadata,
                               .index_key = target.index_key};
  if (target.shard_size.empty())
    sharding.max_shard_size = std::numeric_limits<int64_t>::max();
  else
    sharding.max_shard_size = options.max_shard_size.value_or(std::string(target.shard_size));
  if (target.counts_parameters) sharding.total_parameters = parameters_of(checkpoint.entries);
  auto files = write_checkpoint(transaction, target.format->write, checkpoint.entries, sharding);
  if (target.format == &tf_bundle_format) add_data_files(transaction, files);
  return files;
}

std::vector<std::string> write_folder(const ConvertTarget& target, const fs::path& folder,
                                      const ConvertedCheckpoint& checkpoint, const ConvertOptions& options) {
  FileTransaction transaction(folder);
  if (!checkpoint.side_files.empty()) {
    carry_modules_over(checkpoint.side_files, transaction);
    carry_templates_over(checkpoint.side_files, transaction);
    for (const auto name : kSideFiles)
      if (fs::is_regular_file(checkpoint.side_files / name))
        carry_over(checkpoint.side_files / name, transaction.stage(name));
  }
  if (!checkpoint.config.is_null())
    write_text_atomic(transaction.stage("config.json"),
                      checkpoint.config.dump({.indent = 2, .sort_keys = true}) + "\n");
  auto files = write_weights(transaction, target, checkpoint, options);
  if (options.add_files) options.add_files(transaction.staging_folder());
  transaction.commit();
  return files;
}

// Whether files of weights in this format are called so.
bool names_file_of(const CheckpointFormat& format, const fs::path& extension) {
  return extension == format.extension || (format.name == "pytorch" && (extension == ".pt" || extension == ".pth"));
}

// Layers that list weights of another: TF models find a weight only in the layers that use it.
struct SharedLayer {
  std::string_view part, layer;  // of the weight's name; the layer that lists it too
};
constexpr SharedLayer kSharedLayers[] = {
    {"/bert/embeddings/", "mlm___cls"},
    {"shared/shared/", "encoder"},
    {"shared/shared/", "decoder"},
};

std::string layer_of(const std::string& name) {
  const auto parts = split(name, '/');
  return parts.size() > 2 ? parts[1] : parts[0];
}

}  // namespace

const ConvertTarget& find_target(const ConvertOptions& options) {
  bool is_known = false;
  for (const auto& target : kTargets) {
    if (target.name != options.to) continue;
    is_known = true;
    if (target.kind == options.tf_format || (target.kind.empty() && options.tf_format == kUsualKind)) return target;
  }
  if (is_known)
    throw ValueError(str("the format ", options.to, " is not written as ", quote(options.tf_format),
                         "; tf is written as h5 or bundle, and nothing else has a choice"));
  throw ValueError(str(quote(options.to), " is no format to convert to; known are ",
                       join(std::span<const std::string_view>(kTargetNames), ", ")));
}

bool is_single_file(const ConvertTarget& target, const fs::path& destination) {
  std::error_code ignored;
  return names_file_of(*target.format, destination.extension()) && !fs::is_directory(destination, ignored);
}

void check_name(const ConvertTarget& target, const fs::path& destination) {
  std::error_code ignored;
  for (const auto* format : checkpoint_formats())
    if (format != target.format && names_file_of(*format, destination.extension()) && !fs::exists(destination, ignored))
      throw ValueError(str(destination, ": is called like a file of the format ", format->name, ", and ", target.name,
                           " is to be written; end it with ", target.format->extension, ", or name a folder"));
}

void check_destination(const ConvertTarget& target, const fs::path& destination) {
  std::error_code ignored;
  if (fs::is_regular_file(destination, ignored))
    throw ValueError(
        str(destination, ": is a file, expected a folder, or a name that ends with ", target.format->extension));
  for (const auto& row : weights_names())
    if (row.format != target.format->name && fs::exists(destination / row.file, ignored))
      throw ValueError(str(destination, ": holds ", row.file,
                           ", weights in another format, which config.json would "
                           "no longer be written for; name another folder"));
}

std::vector<std::string> write_converted(const ConvertTarget& target, const fs::path& destination,
                                         const ConvertedCheckpoint& checkpoint, const ConvertOptions& options) {
  if (is_single_file(target, destination)) {
    target.format->write(destination, checkpoint.entries, checkpoint.metadata);
    return {destination.filename()};
  }
  std::error_code ignored;
  if (fs::exists(destination, ignored)) return write_folder(target, destination, checkpoint, options);
  PartialFolder partial(destination);
  auto files = write_folder(target, partial.path(), checkpoint, options);
  partial.commit();
  return files;
}

Json keras_layers(std::span<const CheckpointWriteEntry> entries) {
  Json layers = Json::object();
  for (const auto& entry : entries) layers[layer_of(entry.name)] = Json::list();
  for (const auto& entry : entries) {
    const auto own = layer_of(entry.name);
    layers[own].push_back(entry.name);
    for (const auto& [part, layer] : kSharedLayers)
      if (layer != own && entry.name.find(part) != std::string::npos && layers.contains(layer))
        layers[layer].push_back(entry.name);
  }
  return layers;
}

}  // namespace detail

std::span<const std::string_view> convert_targets() { return detail::kTargetNames; }

}  // namespace transformers
