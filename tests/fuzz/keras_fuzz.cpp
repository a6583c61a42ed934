#include "checkpoint_target.h"
#include "transformers/checkpoint/keras_h5.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  transformers::fuzz::open_and_read(transformers::keras_format, data, size, 1032);  // the most that deflate can save
  return 0;
}
