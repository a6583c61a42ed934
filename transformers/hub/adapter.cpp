#include "transformers/hub/adapter.h"

#include <algorithm>
#include <optional>

#include "transformers/base/error.h"
#include "transformers/base/json.h"
#include "transformers/base/strings.h"
#include "transformers/hub/names.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMostConfigBytes = int64_t{16} << 20;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool leads_upwards(const fs::path& path) { return std::find(path.begin(), path.end(), "..") != path.end(); }

// Relative names that stay below: in the folder that holds the adapter's own, and inside that.
std::optional<fs::path> find_beside(const Snapshot& adapter, const std::string& name) {
  if (fs::path(name).is_absolute() || leads_upwards(name)) return std::nullopt;
  auto folder = fs::absolute(adapter.folder).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  for (const auto& place : {folder.parent_path(), folder})
    if (auto found = place / name; is_there(found)) return found;
  return std::nullopt;
}

Snapshot find_base(const Snapshot& adapter, const std::string& name, const SnapshotOptions& options,
                   const std::string& where) {
  const bool is_repo_id = hub::is_repo_id(name);
  if (adapter.remote && !is_repo_id)
    throw ValueError(str(where, ": the base model ", quote(name),
                         " is a place on somebody's disk, not a Hub id; load the base model and give it the adapter "
                         "with load_adapter"));
  if (is_there(name)) return resolve_snapshot(name, options);
  if (!adapter.remote)
    if (const auto beside = find_beside(adapter, name)) return resolve_snapshot(beside->string(), options);
  if (!is_repo_id)
    throw FileNotFoundError(str(where, ": there is no base model ", quote(name),
                                ", neither as a path nor beside the adapter, and it is no Hub id (org/name)"));
  try {
    return resolve_snapshot(name, options);
  } catch (const LocalEntryNotFoundError& error) {
    throw LocalEntryNotFoundError(str(where, ": there is no base model ", quote(name),
                                      ", neither as a path nor beside the adapter, and as a Hub id: ", error.what()));
  }
}

}  // namespace

bool is_adapter_alone(const Snapshot& snapshot) {
  return snapshot.weights_file.empty() && !snapshot.has("config.json") && snapshot.has(kAdapterConfigFile);
}

Snapshot base_of_adapter(const Snapshot& adapter, const SnapshotOptions& options) {
  const auto file = adapter.file(kAdapterConfigFile);
  const auto config = Json::parse_file(file, kMostConfigBytes);
  const auto* name = config.find("base_model_name_or_path");
  if (!name || !name->is_string() || name->as_string().empty())
    throw ValueError(str(file, ": names no base model in 'base_model_name_or_path'; load the base model and give it ",
                         "the adapter with load_adapter"));
  auto base_options = options;
  const auto* revision = config.find("revision");
  base_options.revision = revision && revision->is_string() ? revision->as_string() : std::string("main");
  base_options.subfolder.clear();
  auto base = find_base(adapter, name->as_string(), base_options, file.string());
  if (is_adapter_alone(base))
    throw ValueError(str(file, ": the base model ", quote(name->as_string()),
                         " is itself an adapter; name the model that it was made for"));
  return base;
}

Snapshot snapshot_of_tokenizer(const Snapshot& snapshot, const SnapshotOptions& options) {
  snapshot.fetch_tokenizer();
  if (!is_adapter_alone(snapshot)) return snapshot;
  for (const auto* file : {"tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json"})
    if (snapshot.has(file)) return snapshot;
  auto base = base_of_adapter(snapshot, options);
  base.fetch_tokenizer();
  return base;
}

}  // namespace transformers
