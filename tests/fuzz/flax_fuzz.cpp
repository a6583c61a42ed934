#include "checkpoint_target.h"
#include "transformers/checkpoint/flax.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  transformers::fuzz::open_and_read(transformers::flax_format, data, size);
  return 0;
}
