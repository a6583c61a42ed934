#include "transformers/mapping/convert.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/dtypes/quants.h"
#include "transformers/mapping/detail/conversion.h"
#include "transformers/mapping/detail/convert_request.h"
#include "transformers/mapping/detail/convert_target.h"
#include "transformers/mapping/detail/int8_entries.h"
#include "transformers/mapping/detail/model_view.h"
#include "transformers/mapping/dialects/gguf.h"
#include "transformers/mapping/dialects/gguf_export.h"
#include "transformers/mapping/int8.h"
#include "transformers/mapping/ops.h"

namespace transformers {

namespace fs = std::filesystem;

using detail::ConvertedCheckpoint;
using detail::ConvertTarget;
using detail::ModelView;
using detail::Wanted;

namespace {

constexpr int64_t kMostConfigBytes = 64 << 20;

// Names that the reference leaves out of safetensors files when the config ties the output weights (S09).
constexpr std::string_view kTiedNames[] = {"lm_head.weight", "cls.predictions.decoder.weight",
                                           "cls.predictions.decoder.bias", "encoder.embed_tokens.weight",
                                           "decoder.embed_tokens.weight"};

struct Source {
  std::unique_ptr<CheckpointReader> reader = {};
  Json config = {};  // null: there is none
  fs::path folder = {};
  std::string name = {};
};

Json read_config(const fs::path& file) {
  auto config = Json::parse_file(file, kMostConfigBytes);
  if (!config.is_object()) throw OSError(str(file, ": is a JSON ", config.type_name(), ", expected an object"));
  return config;
}

fs::path weights_of(const fs::path& folder, const std::optional<std::string>& variant) {
  if (auto found = find_weights(folder, variant)) return *found;
  std::vector<std::string_view> names;
  std::error_code ignored;
  for (const auto& row : weights_names()) {
    if (row.is_adapter && !variant && fs::exists(folder / row.file, ignored))
      throw OSError(str(folder, ": holds an adapter (", row.file, "), not a model; convert the model that it is for"));
    if (!row.is_adapter) names.push_back(row.file);
  }
  throw OSError(str(folder, ": has no weights", variant ? str(" of the variant ", quote(*variant)) : std::string(),
                    "; looked for ", join(names, ", "), " and any single file of a known format"));
}

Source open_source(const fs::path& path, const ConvertOptions& options) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  const auto weights = is_folder ? weights_of(path, options.source_variant) : path;
  const auto folder = is_folder ? path : weights.parent_path();
  Source source{.reader = expand_int8(open_checkpoint(weights))};
  auto named = fs::absolute(path).lexically_normal();
  if (!named.has_filename()) named = named.parent_path();
  source.name = is_folder ? named.filename() : named.stem();
  // A GGUF file describes itself; what lies beside it may belong to other weights.
  const bool is_gguf = source.reader->dialect() == "gguf";
  if (is_folder || !is_gguf) source.folder = folder.empty() ? fs::path(".") : folder;
  if (!is_gguf && fs::is_regular_file(folder / "config.json", ignored))
    source.config = read_config(folder / "config.json");
  if (const auto* method = source.config.is_object() ? source.config.find("quantization_config") : nullptr;
      method && is_int8_config(*method, (folder / "config.json").native()))
    source.config.erase("quantization_config");  // the reader expands it
  return source;
}

// The type that most bytes of floating tensors have, of those that a GGUF file can hold.
DataType prevailing_type(const CheckpointReader& reader) {
  std::map<DataType, uint64_t> sizes;
  for (const auto& entry : reader.entries())
    if (detail::is_castable(entry.dtype) && entry.dtype != DataType::F64) sizes[entry.dtype] += entry.size_bytes;
  const auto most =
      std::max_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == sizes.end() ? DataType::F32 : most->first;
}

// The one type that holds all floating values of a reader; absent when there are none.
std::optional<DataType> widest_type(const CheckpointReader& reader) {
  std::optional<DataType> widest;
  for (const auto& entry : reader.entries()) {
    if (!detail::is_castable(entry.dtype) || widest == entry.dtype) continue;
    widest = widest ? std::max(DataType::F32, std::max(*widest, entry.dtype)) : entry.dtype;
  }
  return widest;
}

bool same_values(const ModelView& view, const CheckpointEntry& a, const CheckpointEntry& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  const auto left = view.bytes(a), right = view.bytes(b);
  return std::equal(left.bytes.begin(), left.bytes.end(), right.bytes.begin(), right.bytes.end());
}

class Converter {
 public:
  Converter(const ConvertTarget& target, const Source& source, const ConvertOptions& options)
      : target_(target), source_(source), options_(options), wanted_(detail::wanted_of(target, options)) {
    const bool keeps_names = dialect_of(*source.reader).name == target.format->dialect;
    config_ = source.config;
    if (config_.is_null() && source.reader->dialect() == "gguf" && !keeps_names)
      config_ = gguf_config(*source.reader, detail::origin_text(*source.reader));
    view_ = std::make_unique<ModelView>(*source.reader, config_, keeps_names);
    report_.dropped = view_->dropped();
    // The precision of a GGUF file is that of its vectors.
    if (!wanted_.dtype && source.reader->dialect() == "gguf") wanted_.dtype = widest_type(*view_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  ConvertReport run(const fs::path& destination) {
    ConvertedCheckpoint out;
    out.model_name = options_.name.empty() ? source_.name : options_.name;
    if (target_.format->dialect == "gguf")
      add_gguf(out);
    else
      add_translated(out);
    finish_entries(out);
    add_config(out, destination);
    report_.files = detail::write_converted(target_, destination, out, options_);
    for (const auto& tensor : report_.tensors) {
      report_.source_bytes += tensor.source_bytes;
      report_.bytes += tensor.bytes;
    }
    report_.error = total_error();
    return std::move(report_);
  }

 private:
  // What an entry to be written is made from.
  struct Origin {
    const CheckpointEntry* entry = nullptr;  // of the view
    Op op = Op::Rename;                      // to be undone
    int64_t heads = 0;
  };

  GgufTokenizerFiles tokenizer_files() const {
    GgufTokenizerFiles files;
    if (source_.folder.empty()) return files;
    const auto json = [&](const char* name, Json& target) {
      if (const auto file = source_.folder / name; fs::is_regular_file(file)) target = Json::parse_file(file);
    };
    json("tokenizer.json", files.tokenizer);
    json("tokenizer_config.json", files.config);
    json("special_tokens_map.json", files.special_tokens);
    if (const auto file = source_.folder / "chat_template.jinja"; fs::is_regular_file(file))
      files.chat_template = read_text(file, kMostConfigBytes);
    return files;
  }

  void add_gguf(ConvertedCheckpoint& out) {
    const bool is_gguf = view_->dialect() == "gguf";
    if (!is_gguf && config_.is_null()) refuse_without_config();
    const bool is_copy = is_gguf && !options_.dtype && !wanted_.block_type;
    GgufExportOptions options{
        .dtype = wanted_.block_type.value_or(options_.dtype ? *wanted_.dtype : prevailing_type(*view_)),
        .name = out.model_name};
    auto exported = is_copy ? GgufExport{.metadata = view_->metadata()}
                            : export_gguf(*view_, config_, is_gguf ? GgufTokenizerFiles{} : tokenizer_files(), options);
    std::map<std::string, Origin> origins;
    for (const auto& entry : view_->entries()) {
      if (is_copy) exported.entries.push_back(copy_of(entry));
      const auto target = is_gguf ? std::optional(GgufTarget{.name = entry.name}) : gguf_target(config_, entry.name);
      if (target) origins[target->name] = {&entry, target->op, target->heads};
    }
    for (auto& entry : exported.entries) {
      const auto found = origins.find(entry.name);
      origins_.push_back(found == origins.end() ? Origin{} : found->second);
    }
    out.entries = std::move(exported.entries);
    out.metadata = std::move(exported.metadata);
  }

  CheckpointWriteEntry copy_of(const CheckpointEntry& entry) const {
    return {.name = entry.name, .dtype = entry.dtype, .shape = entry.shape, .bytes = [this, &entry] {
              return view_->bytes(entry);
            }};
  }

  void add_translated(ConvertedCheckpoint& out) {
    const auto& dialect =
        *find_dialect(view_->dialect() == target_.format->dialect ? "transformers" : target_.format->dialect);
    if (dialect.name != "transformers" && config_.is_null()) refuse_without_config();
    const auto aliases = find_aliases();
    std::vector<std::string> homeless;
    for (const auto& entry : view_->entries()) {
      const auto alias = aliases.find(entry.name);
      if (is_left_out(dialect, entry, alias == aliases.end() ? std::string() : alias->second)) continue;
      const auto place = dialect.to_file(config_, entry.name, entry.shape);
      if (!place) {
        (is_derived_tensor(entry.name) ? report_.dropped : homeless).push_back(entry.name);
        continue;
      }
      out.entries.push_back(entry_for(entry, *place));
      if (alias != aliases.end()) out.entries.back().alias_of = alias->second;
      origins_.push_back({&entry, place->op, place->heads});
    }
    if (!homeless.empty())
      throw ValueError(str(detail::origin_text(*view_), ": these tensors have no place in a file of the format ",
                           target_.name, ": ", join(fold_names(homeless), ", ")));
    state_format(out);
  }

  // Tensors of a pickle that are the same bytes: name → the one before it.
  std::map<std::string, std::string> find_aliases() const {
    std::map<std::string, std::string> aliases;
    std::map<std::tuple<size_t, uint64_t, uint64_t>, const CheckpointEntry*> owners;
    for (const auto& entry : view_->entries()) {
      const auto& original = view_->original(entry);
      if (original.offset == 0 || original.size_bytes == 0) continue;
      const auto [owner, is_new] =
          owners.emplace(std::tuple(original.file, original.offset, original.size_bytes), &entry);
      const bool is_same = owner->second->dtype == entry.dtype && owner->second->shape == entry.shape;
      if (!is_new && is_same) aliases.emplace(entry.name, owner->second->name);
    }
    return aliases;
  }

  // What the file holds elsewhere: the output weights that a config ties to the embedding.
  bool is_left_out(const KeyDialect& dialect, const CheckpointEntry& entry, const std::string& alias) {
    bool is_left_out = false;
    if (dialect.name == "transformers") {
      const bool is_tied = config_.is_object() && config_.get("tie_word_embeddings", false);
      is_left_out = !alias.empty() && target_.name == "safetensors" && is_tied &&
                    std::find(std::begin(kTiedNames), std::end(kTiedNames), entry.name) != std::end(kTiedNames);
    } else if (const auto other = dialect.shared_with(config_, entry.name)) {
      const auto* holder = view_->find(*other);
      is_left_out = holder && same_values(*view_, entry, *holder);
    }
    if (is_left_out) report_.dropped.push_back(entry.name);
    return is_left_out;
  }

  CheckpointWriteEntry entry_for(const CheckpointEntry& entry, const KeyTranslation& place) {
    const bool is_cast = wanted_.dtype && info(entry.dtype).is_floating;
    const auto dtype = is_cast ? *wanted_.dtype : entry.dtype;
    if (dtype != entry.dtype && !detail::is_castable(entry.dtype))
      throw ValueError(str(quote(entry.name), ": ", info(entry.dtype).name, " cannot be made ", info(dtype).name,
                           "; leave the dtype out to keep it"));
    return {.name = place.name,
            .dtype = dtype,
            .shape = shape_after(inverse_of(place.op), std::span<const int64_t>(entry.shape)),
            .bytes = [this, &entry, dtype, op = place.op, heads = place.heads] {
              auto data = view_->bytes(entry);
              data = detail::cast_bytes(data, entry.dtype, dtype, entry.name);
              return undo_op(op, data, entry.shape, static_cast<size_t>(info(dtype).block_bytes), heads, entry.name);
            }};
  }

  void state_format(ConvertedCheckpoint& out) const {
    if (!target_.stated_format.empty()) out.metadata["format"] = target_.stated_format;
    if (target_.format->dialect == "keras") out.metadata["layers"] = detail::keras_layers(out.entries);
  }

  [[noreturn]] void refuse_without_config() const {
    throw ValueError(str(detail::origin_text(*view_),
                         ": there is no config.json beside it, which the names in files of the format ", target_.name,
                         " depend on; put one there"));
  }

  // The report, its errors, progress, and int8 in the place of matrices.
  void finish_entries(ConvertedCheckpoint& out) {
    report_.tensors.reserve(out.entries.size());
    for (size_t i = 0; i < out.entries.size(); ++i) {
      const auto& entry = out.entries[i];
      const auto* original = origins_[i].entry ? &view_->original(*origins_[i].entry) : nullptr;
      report_.tensors.push_back(
          {.name = entry.name,
           .shape = entry.shape,
           .from = original ? original->dtype : entry.dtype,
           .to = entry.dtype,
           .source_bytes = static_cast<int64_t>(original ? original->size_bytes : 0),
           .bytes = entry.alias_of.empty() ? byte_count(entry.dtype, entry.shape).value_or(0) : 0});
    }
    for (size_t i = 0; i < out.entries.size(); ++i) watch(out.entries[i], i);
    if (wanted_.is_int8) detail::quantize_entries(out.entries, out.metadata, report_.tensors);
  }

  void watch(CheckpointWriteEntry& entry, size_t index) {
    const auto total = static_cast<int64_t>(report_.tensors.size());
    entry.bytes = [this, index, total, dtype = entry.dtype, inner = std::move(entry.bytes)] {
      auto data = inner();
      if (options_.measure_error) measure(index, data, dtype);
      logging::report_progress({"Converting", std::min(++done_, total), total, "tensors"});
      return data;
    };
  }

  void measure(size_t index, const SharedBytes& data, DataType dtype) {
    const auto& origin = origins_[index];
    const auto is_float = [](DataType type) { return detail::is_castable(type) || info(type).is_quantized; };
    if (!origin.entry || origin.entry->dtype == dtype || !is_float(origin.entry->dtype) || !is_float(dtype)) return;
    auto before = view_->bytes(*origin.entry);
    if (origin.op != Op::Rename)
      before = undo_op(origin.op, before, origin.entry->shape,
                       static_cast<size_t>(info(origin.entry->dtype).block_bytes), origin.heads, origin.entry->name);
    const auto sums = detail::compare_values(before, origin.entry->dtype, data, dtype);
    report_.tensors[index].error = sums.relative();
    report_.tensors[index].power = sums.values;
  }

  double total_error() const {
    detail::SquaredError sum;
    for (const auto& tensor : report_.tensors) {
      sum.values += tensor.power;
      sum.differences += tensor.error * tensor.error * tensor.power;
    }
    return sum.relative();
  }

  void add_config(ConvertedCheckpoint& out, const fs::path& destination) {
    if (is_single_file(target_, destination)) return;
    if (wanted_.is_int8 && config_.is_null()) refuse_without_config();
    // Files of a base model with other names, and those that a GGUF file already holds, stay behind.
    if (target_.format->dialect != "gguf") out.side_files = source_.folder;
    if (target_.format->dialect == "gguf" || config_.is_null()) return;
    out.config = config_;
    const auto dtype = wanted_.dtype ? wanted_.dtype : first_floating();
    const bool is_stated = config_.contains("dtype") || config_.contains("torch_dtype");
    if (dtype && (wanted_.dtype || !is_stated)) {
      const auto name = info(*dtype).name;
      if (config_.contains("torch_dtype")) out.config["torch_dtype"] = name;
      if (config_.contains("dtype") || !config_.contains("torch_dtype")) out.config["dtype"] = name;
    }
    if (wanted_.is_int8) out.config["quantization_config"] = int8_config();
  }

  std::optional<DataType> first_floating() const {
    for (const auto& entry : view_->entries())
      if (info(entry.dtype).is_floating) return entry.dtype;
    return std::nullopt;
  }

  const ConvertTarget& target_;
  const Source& source_;
  const ConvertOptions& options_;
  Wanted wanted_;
  Json config_;
  std::unique_ptr<ModelView> view_;
  std::vector<Origin> origins_;  // of each entry to be written
  ConvertReport report_;
  int64_t done_ = 0;
};

}  // namespace

ConvertReport convert_checkpoint(const fs::path& source, const fs::path& destination, const ConvertOptions& options) {
  check_convert_options(destination, options);
  const auto& target = detail::find_target(options);
  if (!detail::is_single_file(target, destination)) detail::check_destination(target, destination);
  const auto opened = open_source(source, options);
  Converter converter(target, opened, options);
  return converter.run(destination);
}

}  // namespace transformers
