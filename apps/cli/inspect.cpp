#include <algorithm>
#include <map>

#include "apps/cli/options.h"
#include "apps/cli/terminal.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/checkpoint.h"
#include "transformers/mapping/dialects/gguf.h"

namespace transformers::cli {

namespace fs = std::filesystem;

namespace {

// What a path holds.
struct Contents {
  Json config = {};
  std::vector<std::unique_ptr<CheckpointReader>> checkpoints = {};
};

// The weights of a folder: those that loading would take, else every .safetensors file that is there.
std::vector<fs::path> weights_of(const Snapshot& snapshot, const std::string& variant) {
  if (!snapshot.weights_file.empty()) return {snapshot.weights_file};
  const auto infix = variant.empty() ? std::string() : "." + variant;
  for (const auto& name : {str("model", infix, ".safetensors"), str("model.safetensors.index", infix, ".json")})
    if (snapshot.has(name)) return {snapshot.file(name)};
  if (!variant.empty()) throw OSError(str(snapshot.folder, ": has no weights of the variant ", quote(variant)));
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(snapshot.folder))
    if (entry.path().extension() == ".safetensors") found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
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
  const auto snapshot = snapshot_of(arguments);
  Contents contents;
  const bool is_config = snapshot.weights_file.filename() == "config.json";
  if (is_config || (snapshot.weights_file.extension() != ".gguf" && snapshot.has("config.json")))
    contents.config = Json::parse_file(snapshot.file("config.json"), int64_t{64} << 20);
  if (!is_config)
    for (const auto& file : weights_of(snapshot, arguments.text("variant")))
      contents.checkpoints.push_back(open_checkpoint(file));
  if (contents.config.is_null() && !contents.checkpoints.empty() && contents.checkpoints.front()->dialect() == "gguf")
    contents.config = config_of_gguf(*contents.checkpoints.front());
  if (contents.config.is_null() && contents.checkpoints.empty())
    throw OSError(str(snapshot.folder, ": holds no config.json, no .safetensors and no .gguf file"));
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

void print_json(const Contents& contents) {
  Totals totals;
  Json::Object tensors;
  for (const auto& reader : contents.checkpoints)
    for (const auto& entry : reader->entries()) {
      totals.add(entry);
      tensors.emplace_back(entry.name, Json::Object{{"dtype", info(entry.dtype).name}, {"shape", shape_of(entry)}});
    }
  write_out(Json(Json::Object{{"config", contents.config},
                              {"tensors", std::move(tensors)},
                              {"num_parameters", totals.parameters},
                              {"total_size", totals.size_bytes}})
                .dump());
  write_out("\n");
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text + "  ";
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

void print_table(const Contents& contents) {
  if (!contents.config.is_null()) write_out(str("config\n", contents.config.dump({.indent = 2}), "\n\n"));
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
  arguments.has("json") ? print_json(contents) : print_table(contents);
  return 0;
}

}  // namespace

extern const Command inspect_command;
constinit const Command inspect_command{
    .name = "inspect",
    .summary = "configuration, tensors and sizes; loads nothing",
    .usage = "PATH [--json]",
    .details =
        "PATH is a folder, a single weights file, an index of shards, a config.json, or a Hub id. --json prints "
        "{\"config\", \"tensors\": {name: {\"dtype\", \"shape\"}}, \"num_parameters\", \"total_size\"}; sizes are in "
        "bytes.",
    .least_positional = 1,
    .most_positional = 1,
    .options =
        [] {
          return std::vector{hub_options(), general_options(true)};
        },
    .run = run,
};

}  // namespace transformers::cli
