#include <algorithm>
#include <map>
#include <set>

#include "apps/cli/options.h"
#include "apps/cli/terminal.h"
#include "apps/cli/verification.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/checkpoint/weights_files.h"
#include "transformers/config/config_file.h"
#include "transformers/hub/adapter.h"
#include "transformers/mapping/dialects/gguf.h"

namespace transformers::cli {

namespace fs = std::filesystem;

namespace {

// What a path holds.
struct Contents {
  Snapshot snapshot = {};
  Json config = {};
  Json adapter = {};  // the config of one, null where there is none
  std::vector<std::unique_ptr<CheckpointReader>> checkpoints = {};
};

// The weights of a folder: those that loading would take, else every file of weights that is there.
std::vector<fs::path> weights_of(const Snapshot& snapshot, const std::string& variant) {
  if (!snapshot.weights_file.empty()) return {snapshot.weights_file};
  if (auto found = usual_weights(snapshot, variant.empty() ? std::nullopt : std::optional(variant))) return {*found};
  if (!variant.empty()) throw OSError(str(snapshot.folder, ": has no weights of the variant ", quote(variant)));
  return list_weights(snapshot.folder);
}

// A GGUF file of an architecture that this version does not know can be looked at all the same.
Json config_of_gguf(const CheckpointReader& reader) {
  try {
    return gguf_config(reader, reader.files().front().native());
  } catch (const Error& error) {
    logging::warning(error.what());
    return {};
  }
}

Contents read_contents(const Arguments& arguments) {
  Contents contents{.snapshot = snapshot_of(arguments)};
  const auto& snapshot = contents.snapshot;
  const bool is_config = snapshot.weights_file.filename() == "config.json";
  if (is_config || (snapshot.weights_file.extension() != ".gguf" && snapshot.has("config.json")))
    contents.config = Json::parse_file(snapshot.file("config.json"), int64_t{64} << 20);
  if (snapshot.weights_file.empty() && snapshot.has(kAdapterConfigFile))
    contents.adapter = read_config_file(snapshot.file(kAdapterConfigFile));
  if (!is_config)
    for (const auto& file : weights_of(snapshot, arguments.text("variant")))
      contents.checkpoints.push_back(open_checkpoint(file));
  if (contents.config.is_null() && !contents.checkpoints.empty() && contents.checkpoints.front()->dialect() == "gguf")
    contents.config = config_of_gguf(*contents.checkpoints.front());
  if (contents.config.is_null() && contents.adapter.is_null() && contents.checkpoints.empty())
    throw OSError(str(snapshot.folder, ": holds no config.json and no weights"));
  return contents;
}

Json shape_of(const CheckpointEntry& entry) {
  Json shape = Json::list();
  for (const auto size : entry.shape) shape.push_back(size);
  return shape;
}

struct Totals {
  int64_t parameters = 0, size_bytes = 0;
  std::map<std::string, std::pair<int64_t, int64_t>> by_dtype = {};  // parameters, bytes

  void add(const CheckpointEntry& entry) {
    const auto count = element_count(entry.shape).value_or(0);
    auto& [dtype_count, dtype_bytes] = by_dtype[std::string(info(entry.dtype).name)];
    for (auto* total : {&parameters, &dtype_count}) *total += count;
    for (auto* total : {&size_bytes, &dtype_bytes}) *total += static_cast<int64_t>(entry.size_bytes);
  }
};

std::string_view name_of(Severity severity) { return severity == Severity::Error ? "error" : "warning"; }

Json json_of(const std::vector<Finding>& findings) {
  Json out = Json::list();
  for (const auto& finding : findings)
    out.push_back(Json::Object{{"severity", name_of(finding.severity)},
                               {"file", finding.file.native()},
                               {"key", finding.key},
                               {"message", finding.message}});
  return out;
}

void print_findings(const std::vector<Finding>& findings) {
  write_out(findings.empty() ? "verified: nothing is wrong\n" : "\n");
  for (const auto& finding : findings)
    write_out(str(name_of(finding.severity), ": ", printable_line(finding.file.native()), ": ",
                  finding.key.empty() ? std::string() : quote(finding.key) + ": ", printable_line(finding.message),
                  "\n"));
}

void print_json(const Contents& contents, const std::optional<std::vector<Finding>>& findings) {
  Totals totals;
  Json::Object tensors;
  std::set<std::string> names;
  for (const auto& reader : contents.checkpoints)
    for (const auto& entry : reader->entries()) {
      totals.add(entry);
      const bool is_known = contents.checkpoints.size() > 1 && !names.insert(entry.name).second;  // by another file
      const auto name = is_known ? str(reader->files()[entry.file].filename().native(), ":", entry.name) : entry.name;
      tensors.emplace_back(name, Json::Object{{"dtype", info(entry.dtype).name}, {"shape", shape_of(entry)}});
    }
  Json::Object report{{"config", contents.config},
                      {"tensors", std::move(tensors)},
                      {"num_parameters", totals.parameters},
                      {"total_size", totals.size_bytes}};
  if (!contents.adapter.is_null()) report.emplace_back("adapter", contents.adapter);
  if (findings) report.emplace_back("findings", json_of(*findings));
  write_out(Json(std::move(report)).dump() + "\n");
}

void print_tensors(const Contents& contents, Totals& totals) {
  size_t width = 0, shape_width = 0;
  for (const auto& reader : contents.checkpoints)
    for (const auto& entry : reader->entries()) {
      width = std::max(width, std::min(entry.name.size(), size_t{72}));
      shape_width = std::max(shape_width, str(entry.shape).size());
    }
  for (const auto& reader : contents.checkpoints)
    for (const auto& entry : reader->entries()) {
      totals.add(entry);
      write_out(str(padded(printable_line(entry.name), width), padded(std::string(info(entry.dtype).name), 8),
                    padded(str(entry.shape), shape_width), reader->files()[entry.file].filename(), "\n"));
    }
}

// What an adapter is and for which model; all of its config is in --json.
void print_adapter(const Json& adapter) {
  write_out("adapter\n");
  for (const auto* key :
       {"peft_type", "base_model_name_or_path", "r", "lora_alpha", "target_modules", "modules_to_save"})
    if (const auto* value = adapter.find(key); value && !value->is_null())
      write_out(str("  ", padded(key, 24), printable_line(value->dump()), "\n"));
  write_out("\n");
}

void print_table(const Contents& contents) {
  if (!contents.config.is_null()) write_out(str("config\n", contents.config.dump({.indent = 2}), "\n\n"));
  if (!contents.adapter.is_null()) print_adapter(contents.adapter);
  Totals totals;
  print_tensors(contents, totals);
  if (contents.checkpoints.empty()) return write_out("no weights\n");
  write_out("\n");
  for (const auto& [dtype, sums] : totals.by_dtype)
    write_out(str(padded(dtype, 10), padded(str(sums.first, " parameters"), 24), human_bytes(sums.second), "\n"));
  write_out(str(padded("total", 10), padded(str(totals.parameters, " parameters"), 24), human_bytes(totals.size_bytes),
                "\n"));
}

int run(const Arguments& arguments) {
  const auto contents = read_contents(arguments);
  std::optional<std::vector<Finding>> findings;
  if (arguments.has("verify")) findings = verify_model(contents.snapshot, contents.checkpoints, contents.config);
  arguments.has("json") ? print_json(contents, findings) : print_table(contents);
  if (findings && !arguments.has("json")) print_findings(*findings);
  const bool is_wrong = findings && std::any_of(findings->begin(), findings->end(), [](const Finding& finding) {
                          return finding.severity == Severity::Error;
                        });
  return is_wrong ? 1 : 0;
}

std::vector<OptionGroup> options() {
  return {{.title = "What is done",
           .options =
               {{"verify", ValueKind::None, "",
                 "also read every byte that has a checksum or came from the Hub with its hash, hold indices and config "
                 "against the weights, and read tokenizer.json"}}},
          hub_options(),
          general_options(true)};
}

}  // namespace

extern const Command inspect_command;
constinit const Command inspect_command{
    .name = "inspect",
    .summary = "configuration, tensors and sizes; loads nothing",
    .usage = "PATH [--json] [--verify]",
    .details =
        "PATH is a folder, a single weights file of any format, an index of shards, the prefix of a TensorFlow "
        "checkpoint, a config.json, or a Hub id. --json prints {\"config\", \"tensors\": {name: {\"dtype\", "
        "\"shape\"}}, \"num_parameters\", \"total_size\"}; sizes are in bytes. A folder with an adapter_config.json "
        "has it as \"adapter\" too. --verify adds \"findings\": [{\"severity\", \"file\", \"key\", \"message\"}], and "
        "the exit code is 1 when one is an error.",
    .least_positional = 1,
    .most_positional = 1,
    .options = options,
    .run = run,
};

}  // namespace transformers::cli
