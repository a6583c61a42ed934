#include "checkpoint_target.h"
#include "transformers/base/error.h"
#include "transformers/checkpoint/pickle.h"

// A ValueError is right for what is whole but no file of weights: code, or an object of another kind.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    transformers::fuzz::open_and_read(transformers::pytorch_format, data, size);
  } catch (const transformers::ValueError&) {
  }
  return 0;
}
