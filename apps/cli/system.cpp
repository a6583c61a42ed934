#include "apps/cli/system.h"

#include <cstdio>
#include <memory>

namespace transformers::cli {

std::string read_system_file(const char* file) {
  const std::unique_ptr<FILE, int (*)(FILE*)> stream(std::fopen(file, "re"),
                                                     [](FILE* f) { return f ? std::fclose(f) : 0; });
  std::string text;
  char buffer[4096];
  for (size_t count = 1; stream && count > 0;) {
    count = std::fread(buffer, 1, sizeof buffer, stream.get());
    text.append(buffer, count);
  }
  return text;
}

}  // namespace transformers::cli
