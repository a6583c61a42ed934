#include <cstdlib>
#include <string>

#include "input_folder.h"
#include "transformers/base/error.h"
#include "transformers/checkpoint/detail/crc32c.h"
#include "transformers/checkpoint/detail/varint.h"
#include "transformers/checkpoint/tf_bundle.h"

namespace {

using namespace transformers;

constexpr size_t kDataBytes = 8192;

std::string append_block(std::string& out, const std::string& block, char compression) {
  std::string handle;
  detail::append_varint(handle, out.size());
  detail::append_varint(handle, block.size());
  const auto stored = block + compression;
  out += stored;
  detail::append_little_endian(out, detail::masked_crc(detail::crc32c(std::as_bytes(std::span(stored)))), 4);
  return handle;
}

// One block in a table that is right around it, checksum included: mutations of a whole file would go no further.
std::string table_of(const std::string& block, char compression) {
  std::string out;
  const auto handle = append_block(out, block, compression);
  std::string footer = append_block(out, std::string(4, '\0'), 0);
  footer += append_block(
      out, std::string{'\0', '\1', static_cast<char>(handle.size()), 'z'} + handle + std::string(4, '\0'), 0);
  footer.resize(40);
  return out + footer + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
}

void read_entry(const CheckpointReader& reader, const CheckpointEntry& entry) {
  const auto data = reader.bytes(entry);
  const auto expected = byte_count(entry.dtype, entry.shape);
  if (!expected || data.bytes.size() != static_cast<size_t>(*expected) || data.bytes.size() > kDataBytes) std::abort();
  if (reader.find(entry.name) != &entry) std::abort();
  const std::string copy(reinterpret_cast<const char*>(data.bytes.data()), data.bytes.size());
  static_cast<void>(reader.verify(entry));
}

}  // namespace

// First byte: what follows it. 0: an index; 1: a block of one; 2: such a block compressed. The data file is always the
// same. 4096 bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::InputFolder folder;
  static const auto shard = folder.write("m.data-00000-of-00001", std::string(kDataBytes, '\x01'));
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto kind = data[0] % 3;
  const auto index = folder.write("m.index", kind == 0 ? rest : table_of(rest, static_cast<char>(kind - 1)));
  try {
    const auto reader = tf_bundle_format.open(index);
    for (const auto& entry : reader->entries()) read_entry(*reader, entry);
    static_cast<void>(reader->metadata().dump());
  } catch (const OSError&) {
  }
  return 0;
}
