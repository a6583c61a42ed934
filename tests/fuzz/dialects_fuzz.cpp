#include <string_view>

#include "transformers/base/error.h"
#include "transformers/base/json.h"
#include "transformers/mapping/dialects.h"

namespace {

using namespace transformers;

constexpr int64_t kShape[] = {4, 2, 3, 5};

void translate(const KeyDialect& dialect, const Json& config, std::string_view key, std::span<const int64_t> shape) {
  try {
    if (dialect.is_ignored && dialect.is_ignored(key)) return;
    if (dialect.to_model) static_cast<void>(dialect.to_model(config, key, shape));
    if (dialect.to_file) static_cast<void>(dialect.to_file(config, key, shape));
    if (dialect.shared_with) static_cast<void>(dialect.shared_with(config, key));
  } catch (const ValueError&) {
  } catch (const TypeError&) {  // of Json: a field of the config that is of another type
  }
}

}  // namespace

// A config on the first line, then keys; the first byte of each gives the rank of its tensor.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto next_line = [&] {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    return line;
  };
  Json config;
  try {
    config = Json::parse(next_line());
  } catch (const OSError&) {
    return 0;
  }
  while (!rest.empty()) {
    const auto line = next_line();
    if (line.empty()) continue;
    const std::span shape(kShape, static_cast<unsigned char>(line[0]) % 5);
    for (const auto* dialect : key_dialects()) translate(*dialect, config, line.substr(1), shape);
    static_cast<void>(is_derived_tensor(line));
  }
  return 0;
}
