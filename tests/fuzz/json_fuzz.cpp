#include <cstdlib>
#include <string_view>

#include "transformers/base/error.h"
#include "transformers/base/json.h"

// What parses must survive a round trip, in each style.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using transformers::Json;
  Json json;
  try {
    json = Json::parse({reinterpret_cast<const char*>(data), size}, "input");
  } catch (const transformers::OSError&) {
    return 0;
  }
  for (const Json::DumpOptions& style : {Json::DumpOptions{}, Json::DumpOptions{.indent = 2, .ensure_ascii = true},
                                         Json::DumpOptions{.sort_keys = true}})
    if (Json::parse(json.dump(style)).dump({.sort_keys = true}) != json.dump({.sort_keys = true})) std::abort();
  return 0;
}
