#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/write_entry.h"
#include "transformers/checkpoint/safetensors.h"

namespace transformers {
namespace {

constexpr std::string_view kMetadata = "__metadata__";

uint64_t checked_size(const std::filesystem::path& file, const CheckpointWriteEntry& entry) {
  const DataTypeInfo& type = info(entry.dtype);
  if (type.safetensors.empty())
    throw ValueError(str(file, ": ", quote(entry.name), " is ", type.name, ", which safetensors cannot hold"));
  return detail::entry_size(file, entry);
}

void check_names(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries) {
  std::unordered_set<std::string_view> names;
  for (const auto& entry : entries) {
    const bool is_text = detail::is_plain_text(entry.name);
    if (!is_text || entry.name == kMetadata || !names.insert(entry.name).second)
      throw ValueError(str(file, ": a tensor cannot be called ", quote(entry.name),
                           is_text ? ": the name is taken" : ": it is not UTF-8 without NUL"));
  }
}

// Larger alignment first, by the rank of the dtype, so that every tensor is aligned; then by name.
std::vector<const CheckpointWriteEntry*> layout_order(std::span<const CheckpointWriteEntry> entries) {
  std::vector<const CheckpointWriteEntry*> order;
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const CheckpointWriteEntry* a, const CheckpointWriteEntry* b) {
    return a->dtype != b->dtype ? a->dtype > b->dtype : a->name < b->name;
  });
  return order;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (const int64_t dim : shape) out += str(out.size() > 1 ? "," : "", dim);
  return out + "]";
}

// Written piece by piece: a Json object looks its keys up one after the other.
std::string make_header(const std::filesystem::path& file, std::span<const CheckpointWriteEntry* const> order,
                        const Json& metadata) {
  std::string out = "{";
  if (metadata.size() > 0) out += str(Json(kMetadata).dump(), ":", metadata.dump());
  uint64_t end = 0;
  for (const auto* entry : order) {
    const uint64_t begin = end;
    if (__builtin_add_overflow(begin, checked_size(file, *entry), &end))
      throw ValueError(str(file, ": the tensors take more than 2^64 bytes"));
    out += str(out.size() > 1 ? "," : "", Json(entry->name).dump(), ":{\"dtype\":\"", info(entry->dtype).safetensors,
               "\",\"shape\":", shape_text(entry->shape), ",\"data_offsets\":[", begin, ",", end, "]}");
  }
  out += "}";
  out.resize((out.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  if (out.size() > kSafetensorsMostHeaderBytes)
    throw ValueError(str(file, ": the header takes ", out.size(), " bytes, readers accept at most ",
                         kSafetensorsMostHeaderBytes, ": write fewer tensors into one file"));
  return out;
}

void check_metadata(const std::filesystem::path& file, const Json& metadata) {
  for (const auto& [key, value] : metadata.as_object()) {
    if (!value.is_string())
      throw ValueError(str(file, ": the metadata ", quote(key), " is a ", value.type_name(), ", expected a string"));
    if (!detail::is_plain_text(key) || !is_utf8(value.as_string()))
      throw ValueError(str(file, ": the metadata ", quote(key), " is not UTF-8"));
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, std::span<const CheckpointWriteEntry> entries,
                       const Json& metadata) {
  check_names(file, entries);
  check_metadata(file, metadata);
  const auto order = layout_order(entries);
  const std::string header = make_header(file, order, metadata);
  const uint64_t length = header.size();
  AtomicFile out(file);
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  for (const auto* entry : order) out.write(detail::entry_bytes(file, *entry).bytes);
  out.commit();
}

}  // namespace transformers
