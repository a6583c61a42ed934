// Replaces the files of a folder in one transaction; tests kill it at every step.
#include <cstdio>

#include "transformers/base/error.h"
#include "transformers/base/file_transaction.h"
#include "transformers/base/files.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  try {
    transformers::FileTransaction transaction(arguments[1]);
    for (const char* name : {"config.json", "model.safetensors.index.json", "model-00001-of-00001.safetensors"})
      transformers::write_text_atomic(transaction.stage(name), "new");
    transaction.remove("model-00001-of-00002.safetensors");
    transaction.remove("model-00002-of-00002.safetensors");
    transaction.remove("absent.safetensors");
    transaction.commit();
  } catch (const transformers::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
