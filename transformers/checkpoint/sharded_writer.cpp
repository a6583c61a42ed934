#include "transformers/checkpoint/sharded_writer.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <unordered_map>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

namespace fs = std::filesystem;

// "model" and ".safetensors".
std::pair<std::string_view, std::string_view> split_suffix(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::pair(name, std::string_view())
                                       : std::pair(name.substr(0, dot), name.substr(dot));
}

std::string five_digits(size_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "%05zu", number);
  return text;
}

bool takes_five_digits(std::string_view& text, std::string_view before) {
  constexpr size_t kDigits = 5;
  if (!text.starts_with(before) || text.size() < before.size() + kDigits) return false;
  const auto digits = text.substr(before.size(), kDigits);
  text.remove_prefix(before.size() + kDigits);
  return std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<int64_t> sizes_of(std::span<const CheckpointWriteEntry> entries) {
  std::vector<int64_t> sizes;
  for (const auto& entry : entries) {
    const auto size = byte_count(entry.dtype, entry.shape);
    if (!size) throw ValueError(str(quote(entry.name), " has the impossible shape ", entry.shape));
    sizes.push_back(static_cast<int64_t>(*size));
  }
  return sizes;
}

// Positions of entries by shard. An alias takes no room and lies with the tensor that it shares memory with.
std::vector<std::vector<size_t>> shards_of(std::span<const CheckpointWriteEntry> entries,
                                           const std::vector<int64_t>& sizes, const ShardedWriteOptions& options) {
  std::vector<size_t> owners;
  std::vector<int64_t> owner_sizes;
  std::unordered_map<std::string_view, std::vector<size_t>> aliases;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!entries[i].alias_of.empty()) {
      aliases[entries[i].alias_of].push_back(i);
      continue;
    }
    owners.push_back(i);
    owner_sizes.push_back(sizes[i]);
  }
  auto shards = plan_shards(owner_sizes, parse_size(options.max_shard_size), options.oversized);
  for (auto& shard : shards) {
    for (auto& position : shard) position = owners[position];
    for (size_t i = 0, own = shard.size(); i < own; ++i)
      if (const auto found = aliases.find(entries[shard[i]].name); found != aliases.end())
        shard.insert(shard.end(), found->second.begin(), found->second.end());
  }
  return shards;
}

void write_index(FileTransaction& transaction, const std::string& file, const ShardedWriteOptions& options,
                 const std::map<std::string, std::string>& weight_map, int64_t total_size) {
  Json::Object metadata;
  if (options.total_parameters) metadata.emplace_back("total_parameters", *options.total_parameters);
  metadata.emplace_back("total_size", total_size);
  Json::Object map;
  for (const auto& [key, shard] : weight_map) map.emplace_back(key, shard);
  const Json index(Json::Object{{"metadata", Json(std::move(metadata))}, {"weight_map", Json(std::move(map))}});
  write_text_atomic(transaction.stage(file), index.dump({.indent = 2}) + "\n");
}

// What an earlier save under the same name left and this one does not replace.
void remove_stale(FileTransaction& transaction, const std::string& name, const std::string& index,
                  const std::vector<std::string>& written) {
  std::error_code code;
  for (fs::directory_iterator it(transaction.folder(), code), end; !code && it != end; it.increment(code)) {
    const auto file = it->path().filename().native();
    const bool is_ours = file == name || file == index || is_shard_of(file, name);
    const bool counts =
        std::find(written.begin(), written.end(), file) != written.end() || (file == index && written.size() > 1);
    if (is_ours && !counts && it->is_regular_file(code)) transaction.remove(file);
  }
}

}  // namespace

std::string with_variant(std::string_view name, const std::optional<std::string>& variant) {
  if (!variant) return std::string(name);
  if (variant->empty() || variant->find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
    throw ValueError(str("the variant ", quote(*variant), " cannot be part of a file name"));
  const auto [stem, suffix] = split_suffix(name);
  return str(stem, ".", *variant, suffix);
}

std::string shard_name(std::string_view name, size_t index, size_t count) {
  const auto [stem, suffix] = split_suffix(name);
  return str(stem, "-", five_digits(index + 1), "-of-", five_digits(count), suffix);
}

std::string index_name(std::string_view name, const std::optional<std::string>& variant) {
  return with_variant(str(name, ".index.json"), variant);
}

bool is_shard_of(std::string_view file, std::string_view name) {
  const auto [stem, suffix] = split_suffix(name);
  if (!file.starts_with(stem)) return false;
  auto rest = file.substr(stem.size());
  return takes_five_digits(rest, "-") && takes_five_digits(rest, "-of-") && rest == suffix;
}

std::vector<std::vector<size_t>> plan_shards(std::span<const int64_t> sizes, int64_t limit, OversizedTensor oversized) {
  std::vector<std::vector<size_t>> shards;
  std::vector<size_t> open;  // takes more; it gets its number when it is closed
  int64_t filled = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > limit && oversized == OversizedTensor::StandsApart) {
      shards.push_back({i});
      continue;
    }
    if (!open.empty() && filled + sizes[i] > limit) {
      shards.push_back(std::exchange(open, {}));
      filled = 0;
    }
    open.push_back(i);
    filled += sizes[i];
  }
  if (!open.empty() || shards.empty()) shards.push_back(std::move(open));
  return shards;
}

std::vector<std::string> write_checkpoint(FileTransaction& transaction, const CheckpointWriter& write,
                                          std::span<const CheckpointWriteEntry> entries,
                                          const ShardedWriteOptions& options) {
  const auto name = with_variant(options.name, options.variant);
  const auto sizes = sizes_of(entries);
  const auto shards = shards_of(entries, sizes, options);
  std::vector<std::string> files;
  std::map<std::string, std::string> weight_map;
  int64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    files.push_back(shards.size() == 1 ? name : shard_name(name, i, shards.size()));
    std::vector<CheckpointWriteEntry> part;
    for (const auto position : shards[i]) {
      part.push_back(entries[position]);
      const auto& key = entries[position].name;
      weight_map.emplace(options.index_key ? options.index_key(key) : key, files.back());
      total += entries[position].alias_of.empty() ? sizes[position] : 0;
    }
    const auto file = transaction.stage(files.back());
    write(file, part, options.metadata);
    if (options.written) options.written(files.back(), file);
    logging::report_progress(
        {"Writing shards", static_cast<int64_t>(i + 1), static_cast<int64_t>(shards.size()), "files"});
  }
  const auto index = index_name(options.name, options.variant);
  if (files.size() > 1) write_index(transaction, index, options, weight_map, total);
  remove_stale(transaction, name, index, files);
  return files;
}

}  // namespace transformers
