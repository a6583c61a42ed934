#include <cstring>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/dtypes/quants.h"

// First byte: the type. Second: by how much the target is too large or too small for the blocks. Then the blocks.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace transformers;
  if (size < 2) return 0;
  const DataTypeInfo& type = data_types()[data[0] % data_types().size()];
  const std::vector<std::byte> blocks(reinterpret_cast<const std::byte*>(data) + 2,
                                      reinterpret_cast<const std::byte*>(data) + size);
  const size_t elements =
      blocks.size() / static_cast<size_t>(type.block_bytes) * static_cast<size_t>(type.block_elements);
  std::vector<float> target(elements + data[1] % 3);
  try {
    dequantize(type.type, blocks, target);
  } catch (const ValueError&) {
  }
  return 0;
}
