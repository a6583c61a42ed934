#include <cstring>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/dtypes/quants.h"

// First byte: the type. Second: by how much the target is too large or too small. Then float32 numbers of any kind.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace transformers;
  if (size < 2) return 0;
  const DataTypeInfo& type = data_types()[data[0] % data_types().size()];
  std::vector<float> values((size - 2) / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), data + 2, values.size() * sizeof(float));
  const size_t blocks = values.size() / static_cast<size_t>(type.block_elements);
  std::vector<std::byte> target(blocks * static_cast<size_t>(type.block_bytes) + data[1] % 3);
  try {
    quantize(type.type, values, target);
    dequantize(type.type, target, values);
  } catch (const ValueError&) {
  }
  return 0;
}
