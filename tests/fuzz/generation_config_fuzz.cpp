#include <cstdlib>
#include <string_view>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/config/generation_config.h"

// A generation_config.json. What is accepted must be written so that it is accepted again, as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace transformers;
  logging::set_verbosity(logging::Level::Error);
  GenerationConfig config;
  try {
    config = GenerationConfig::from_dict(Json::parse({reinterpret_cast<const char*>(data), size}), "input");
    config.validate();
  } catch (const ValueError&) {
    return 0;
  } catch (const OSError&) {
    return 0;
  }
  const auto again = GenerationConfig::from_dict(Json::parse(config.to_json_string()), "written");
  if (again.to_json_string() != config.to_json_string()) std::abort();
  return 0;
}
