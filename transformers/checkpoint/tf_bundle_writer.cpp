#include <algorithm>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/crc32c.h"
#include "transformers/checkpoint/detail/tf_bundle_index.h"
#include "transformers/checkpoint/detail/tf_table.h"
#include "transformers/checkpoint/detail/write_entry.h"
#include "transformers/checkpoint/tf_bundle.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using detail::TfBundleEntry;

// By name, as the index and so the data are ordered; checked before anything is written.
std::vector<const CheckpointWriteEntry*> sorted_entries(const fs::path& file,
                                                        std::span<const CheckpointWriteEntry> entries) {
  std::vector<const CheckpointWriteEntry*> order;
  for (const auto& entry : entries) {
    if (entry.name.empty() || !detail::is_plain_text(entry.name))
      throw ValueError(str(file, ": a variable cannot be called ", quote(entry.name),
                           ": it must be UTF-8 without NUL, and not empty"));
    if (!detail::tensorflow_number(entry.dtype))
      throw ValueError(
          str(file, ": ", quote(entry.name), " is ", info(entry.dtype).name, ", which TensorFlow cannot hold"));
    static_cast<void>(detail::entry_size(file, entry));
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  const auto twice =
      std::adjacent_find(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->name == b->name; });
  if (twice != order.end()) throw ValueError(str(file, ": ", quote((*twice)->name), " is to be written twice"));
  return order;
}

// How many data files the checkpoint that `file` is the index of names; 0 when there is none that could be read.
int64_t old_shard_count(const fs::path& file) {
  try {
    return detail::parse_tf_bundle_index(MappedFile::open(file)->bytes(), file).header.num_shards;
  } catch (const OSError&) {
    return 0;
  }
}

// Writes one tensor to the end of the data and returns what the index says of it.
TfBundleEntry write_data(const fs::path& file, const CheckpointWriteEntry& entry, uint64_t offset, AtomicFile& out) {
  const auto data = detail::entry_bytes(file, entry);
  uint32_t crc = 0;
  constexpr size_t kChunk = 1 << 20;  // stays in the cache between checksum and write
  for (auto rest = data.bytes; !rest.empty(); rest = rest.subspan(std::min(kChunk, rest.size()))) {
    const auto chunk = rest.first(std::min(kChunk, rest.size()));
    crc = detail::crc32c(chunk, crc);
    out.write(chunk);
  }
  return {.dtype = *detail::tensorflow_number(entry.dtype),
          .shape = entry.shape,
          .offset = offset,
          .size_bytes = data.bytes.size(),
          .crc = detail::masked_crc(crc)};
}

// Removes data that no index names: new data when its index cannot be put in place, else the old.
class UnnamedData {
 public:
  UnnamedData(const fs::path& file, int64_t num_shards) : file_(file), num_shards_(num_shards) {}
  ~UnnamedData() {
    std::error_code ignored;
    for (int64_t shard = 0; shard < num_shards_; ++shard)
      fs::remove(detail::tf_shard_path(file_, shard, num_shards_), ignored);
  }
  UnnamedData(const UnnamedData&) = delete;
  UnnamedData& operator=(const UnnamedData&) = delete;
  void become(int64_t num_shards) { num_shards_ = num_shards; }

 private:
  const fs::path& file_;
  int64_t num_shards_ = 0;
};

}  // namespace

void write_tf_bundle(const fs::path& file, std::span<const CheckpointWriteEntry> entries, const Json& /*metadata*/) {
  if (file.extension() != tf_bundle_format.extension)
    throw ValueError(str(file, ": a TensorFlow checkpoint is named by its index, '<prefix>.index'"));
  const auto order = sorted_entries(file, entries);
  const int64_t old_shards = old_shard_count(file);
  // Never the name of the data that an index names now; one that cannot be read may name the usual.
  const int64_t shards = old_shards == 1 || (old_shards == 0 && fs::exists(file)) ? 2 : 1;
  AtomicFile data(detail::tf_shard_path(file, 0, shards));
  detail::TfTableWriter table;
  table.add("", serialize(detail::TfBundleHeader{.num_shards = shards, .producer = 1}));
  uint64_t offset = 0;
  for (const auto* entry : order) {
    const auto written = write_data(file, *entry, offset, data);
    offset += written.size_bytes;
    table.add(entry->name, serialize(written));
  }
  AtomicFile index(file);
  index.write(table.finish());
  UnnamedData unnamed(file, shards);
  for (int64_t shard = 1; shard < shards; ++shard) write_text_atomic(detail::tf_shard_path(file, shard, shards), "");
  data.commit();
  index.commit();
  unnamed.become(old_shards);
}

}  // namespace transformers
