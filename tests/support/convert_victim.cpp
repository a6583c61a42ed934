// Converts a checkpoint; tests kill it at every step and measure its memory.
#include <cstdio>

#include "transformers/base/error.h"
#include "transformers/mapping/convert.h"

int main(int count, char** arguments) {
  if (count != 4) return 2;
  try {
    transformers::ConvertOptions options{.to = arguments[3]};
    if (options.to == "safetensors") options.max_shard_size = 40;
    (void)transformers::convert_checkpoint(arguments[1], arguments[2], options);
  } catch (const transformers::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
