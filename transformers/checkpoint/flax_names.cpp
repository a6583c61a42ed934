#include "transformers/checkpoint/flax_names.h"

#include "transformers/base/strings.h"

namespace transformers::detail {

std::string flax_segment(std::string_view key) { return replace_all(replace_all(key, "%", "%25"), ".", "%2E"); }

std::vector<std::string> flax_keys(std::string_view name) {
  auto keys = split(name, '.');
  for (auto& key : keys) key = replace_all(replace_all(key, "%2E", "."), "%25", "%");
  return keys;
}

}  // namespace transformers::detail
