#include "checkpoint_target.h"
#include "transformers/checkpoint/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  transformers::fuzz::open_and_read(transformers::gguf_format, data, size);
  return 0;
}
