#include "checkpoint_target.h"

#include <cstdlib>
#include <vector>

#include "input_file.h"
#include "transformers/base/error.h"
#include "transformers/dtypes/quants.h"

namespace transformers::fuzz {

static void read_entry(const CheckpointReader& reader, const CheckpointEntry& entry, size_t most_bytes) {
  const auto data = reader.bytes(entry);
  const auto expected = byte_count(entry.dtype, entry.shape);
  if (!expected || data.bytes.size() != static_cast<size_t>(*expected) || data.bytes.size() > most_bytes) std::abort();
  if (reader.find(entry.name) != &entry) std::abort();
  if (!info(entry.dtype).is_quantized) {
    const std::vector<std::byte> copy(data.bytes.begin(), data.bytes.end());
    return;
  }
  std::vector<float> values(static_cast<size_t>(*element_count(entry.shape)));
  dequantize(entry.dtype, data.bytes, values);
}

void open_and_read(const CheckpointFormat& format, const uint8_t* data, size_t size, size_t most_expansion) {
  const InputFile input(data, size);
  try {
    const auto reader = format.open(input.path());
    for (const auto& entry : reader->entries()) read_entry(*reader, entry, most_expansion * size);
    static_cast<void>(reader->metadata().dump());
  } catch (const OSError&) {
  }
}

}  // namespace transformers::fuzz
