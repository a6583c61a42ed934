#include "apps/cli/options.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/checkpoint/sharded_writer.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/config/generation_config.h"
#include "transformers/config/unsupported_generation.h"
#include "transformers/hub/adapter.h"

namespace transformers::cli {

namespace {

// What a value of the field is called in the help, by the field's type.
struct FieldKind {
  ValueKind kind;
  std::string_view placeholder;
};

FieldKind kind_of(const ConfigField& field) {
  struct Visitor {
    FieldKind operator()(std::optional<bool>*) const { return {ValueKind::Boolean, "true|false"}; }
    FieldKind operator()(std::optional<int64_t>*) const { return {ValueKind::Integer, "N"}; }
    FieldKind operator()(std::optional<double>*) const { return {ValueKind::Number, "X"}; }
    FieldKind operator()(Json*) const { return {ValueKind::Json, "JSON"}; }
    FieldKind operator()(void*) const { return {ValueKind::Text, "TEXT"}; }
  };
  return std::visit(Visitor(), field.target);
}

// A few words on the fields that people set by hand; the others are told by their names.
std::string help_of(std::string_view name) {
  if (find_unsupported_field(name)) return "not part of this version";
  if (is_output_field(name)) return "no effect here: ids and texts are printed";
  constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"max_new_tokens", "most tokens to add; default: the model's generation_config.json, else 20"},
      {"max_length", "most tokens, prompt included"},
      {"min_new_tokens", "fewest tokens to add"},
      {"max_time", "seconds after which it stops"},
      {"stop_strings", "a text, or a JSON list of texts, that ends the generation"},
      {"do_sample", "draw from the distribution instead of taking the best token"},
      {"use_cache", "keep keys and values of past tokens (default true)"},
      {"temperature", "divides the scores before sampling"},
      {"top_k", "sample among the K best tokens"},
      {"top_p", "sample among the best tokens whose probabilities add up to X"},
      {"min_p", "drop tokens less likely than X times the best"},
      {"repetition_penalty", "above 1: tokens that were there become less likely"},
      {"no_repeat_ngram_size", "no N tokens occur twice in the same order"},
      {"length_penalty", "of beam search, which is not part of this version"},
      {"early_stopping", "of beam search, which is not part of this version"},
      {"eos_token_id", "ids that end a sequence: 2 or 1,2"},
      {"num_return_sequences", "sequences for each prompt"}};
  for (const auto& [field, text] : known)
    if (field == name) return std::string(text);
  return {};
}

// More threads than this only wait for each other, and each takes memory for its stack.
int64_t most_threads() { return std::max<int64_t>(64, 4 * int64_t{std::thread::hardware_concurrency()}); }

Json list_of(const std::vector<int64_t>& ids) {
  Json list = Json::list();
  for (const auto id : ids) list.push_back(id);
  return list;
}

// A field whose value may have several types: true, "never", 2, 1,2 or JSON.
Json parse_free_value(const std::string& option, const std::string& text) {
  const auto body = trim(text);
  const bool is_list_of_numbers = !body.empty() && body.find_first_not_of("0123456789,- ") == std::string_view::npos;
  if (option == "stop-strings" && !body.starts_with('[')) return text;
  if (is_list_of_numbers) {
    auto ids = parse_ids(option, text);
    return ids.size() == 1 ? Json(ids.front()) : list_of(ids);
  }
  const bool looks_like_json = body.starts_with('[') || body.starts_with('{') || body.starts_with('"');
  if (body == "true" || body == "false") return body == "true";
  if (!looks_like_json) return text;
  try {
    return Json::parse(text, str("--", option));
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

Json parse_value(const Option& option, const std::string& text) {
  switch (option.kind) {
    case ValueKind::Boolean: return text == "true";
    case ValueKind::Integer: return parse_ids(option.name, text).front();
    case ValueKind::Number: {
      double number = 0;
      std::from_chars(text.data(), text.data() + text.size(), number);
      return number;
    }
    case ValueKind::Json: return parse_free_value(option.name, text);
    default: return text;
  }
}

}  // namespace

OptionGroup general_options(bool with_json) {
  OptionGroup group{.title = "General", .options = {}};
  if (with_json) group.options.push_back({.name = "json", .help = "JSON on stdout, and nothing else there"});
  group.options.push_back({.name = "quiet", .help = "no warnings and no progress bars"});
  group.options.push_back({.name = "help", .help = "this text"});
  return group;
}

OptionGroup hub_options() {
  return {.title = "Where the model is looked up",
          .options = {{"revision", ValueKind::Name, "NAME", "branch, tag or commit (default main)"},
                      {"token", ValueKind::Text, "TOKEN", "for private repositories; default: the stored one"},
                      {"cache-dir", ValueKind::Text, "DIR", "the Hub's cache, instead of the usual folder"},
                      {"local-files-only", ValueKind::None, "", "ask no server, take what the cache has"},
                      {"subfolder", ValueKind::Name, "DIR", "folder inside the model's folder"},
                      {"variant", ValueKind::Name, "NAME", "weights called model.NAME.safetensors"}}};
}

OptionGroup loading_options() {
  return {.title = "How it is loaded",
          .options = {
              {"class", ValueKind::Text, "NAME", "default: the first of `architectures` in config.json"},
              {"dtype",
               ValueKind::Choice,
               "",
               "default auto: as the files say; GGUF's quantised weights are expanded to float32",
               {"auto", "float32", "bfloat16", "float16"}},
              {"attn-implementation", ValueKind::Choice, "", "default: the model's", {"eager", "sdpa"}},
              {"threads", ValueKind::Integer, "N", "default: the processor's cores", {}, 1, most_threads()},
              {"device-map", ValueKind::Text, "MAP",
               "auto, balanced, balanced_low_0, sequential, a device, or a JSON file of modules and devices"},
              {"max-memory", ValueKind::Text, "SIZES", "for automatic maps: 0=1GiB,cpu=8GiB; default: what is free"},
              {"offload-folder", ValueKind::Text, "DIR", "for weights on disk that cannot be read in place"},
              {"ignore-unmatched-keys", ValueKind::None, "", "load also where nearly all weights would be random"},
              {"quantize", ValueKind::Text, "TYPE", "not part of this version"}}};
}

OptionGroup without(OptionGroup group, std::initializer_list<std::string_view> names) {
  std::erase_if(group.options, [&](const Option& option) {
    return std::find(names.begin(), names.end(), option.name) != names.end();
  });
  return group;
}

bool is_output_field(std::string_view name) { return name.starts_with("output_") || name == "return_dict_in_generate"; }

OptionGroup generation_options() {
  OptionGroup group{.title = "Generation (fields of GenerationConfig; default: the model's generation_config.json)",
                    .options = {}};
  GenerationConfig config;
  for (const auto& field : config.fields()) {
    const auto [kind, placeholder] = kind_of(field);
    if (field.name.starts_with('_')) continue;
    group.options.push_back({.name = replace_all(field.name, "_", "-"),
                             .kind = kind,
                             .placeholder = std::string(placeholder),
                             .help = help_of(field.name),
                             .limit = find_number_limit(field.name)});
  }
  group.options.push_back(
      {"seed", ValueKind::Integer, "N", "of the sampling: the same seed draws the same tokens", {}, 0});
  return group;
}

DownloadOptions download_options(const Arguments& arguments) {
  DownloadOptions options{.revision = arguments.text("revision", "main"), .subfolder = arguments.text("subfolder")};
  if (const auto folder = arguments.find("cache-dir")) options.cache_dir = *folder;
  if (const auto token = arguments.find("token")) options.token = *token;
  options.local_files_only = arguments.has("local-files-only");
  return options;
}

Snapshot snapshot_of(const Arguments& arguments) {
  const std::filesystem::path name = arguments.positional.front();
  // A TensorFlow checkpoint is mostly named by its prefix, which is no file.
  if (auto index = name; !std::filesystem::exists(name) && std::filesystem::exists(index += ".index"))
    return resolve_snapshot(index.native(), download_options(arguments));
  return resolve_snapshot(name.native(), download_options(arguments));
}

std::optional<std::filesystem::path> usual_weights(const Snapshot& snapshot,
                                                   const std::optional<std::string>& variant) {
  for (const auto& row : weights_names())
    if (const auto name = with_variant(row.file, variant); snapshot.has(name)) return snapshot.file(name);
  return std::nullopt;
}

std::filesystem::path tokenizer_path(const Arguments& arguments) {
  const auto snapshot = snapshot_of_tokenizer(snapshot_of(arguments), download_options(arguments));
  std::error_code ignored;
  if (std::filesystem::is_empty(snapshot.folder, ignored))
    throw OSError(str(snapshot.folder, ": the folder is empty, expected a model"));
  const bool names_file = !std::filesystem::is_directory(arguments.positional.front(), ignored);
  // Any other file says itself that it is no model, before what lies beside it is asked for.
  if (names_file && !snapshot.weights_file.empty() && snapshot.weights_file.extension() != ".json")
    static_cast<void>(open_checkpoint(snapshot.weights_file));
  return names_file && snapshot.weights_file.extension() == ".gguf" ? snapshot.weights_file : snapshot.folder;
}

Json generation_fields(const Arguments& arguments) {
  Json fields = Json::object();
  for (const auto& option : generation_options().options) {
    const auto value = option.name == "seed" ? std::nullopt : arguments.find(option.name);
    if (value) fields[replace_all(option.name, "-", "_")] = parse_value(option, *value);
  }
  return fields;
}

std::vector<int64_t> parse_ids(const std::string& option, const std::string& text) {
  std::vector<int64_t> ids;
  for (const auto& part : split(text, ',')) {
    const auto word = trim(part);
    int64_t id = 0;
    const auto result = std::from_chars(word.data(), word.data() + word.size(), id);
    if (word.empty() || result.ec != std::errc() || result.ptr != word.data() + word.size())
      throw UsageError(str("--", option, " is ", quote(text), ", expected integers separated by commas"));
    ids.push_back(id);
  }
  return ids;
}

}  // namespace transformers::cli
