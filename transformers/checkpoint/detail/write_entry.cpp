#include "transformers/checkpoint/detail/write_entry.h"

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::detail {

bool is_plain_text(std::string_view name) { return is_utf8(name) && name.find('\0') == std::string_view::npos; }

uint64_t entry_size(const std::filesystem::path& file, const CheckpointWriteEntry& entry) {
  const auto size = byte_count(entry.dtype, entry.shape);
  if (!size) throw ValueError(str(file, ": ", quote(entry.name), " has the impossible shape ", entry.shape));
  return static_cast<uint64_t>(*size);
}

SharedBytes entry_bytes(const std::filesystem::path& file, const CheckpointWriteEntry& entry) {
  const uint64_t needed = entry_size(file, entry);
  SharedBytes data = entry.bytes ? entry.bytes() : SharedBytes{};
  if (data.bytes.size() != needed)
    throw ValueError(str(file, ": ", quote(entry.name), " came with ", data.bytes.size(), " bytes, ",
                         info(entry.dtype).name, " of shape ", entry.shape, " takes ", needed));
  return data;
}

}  // namespace transformers::detail
