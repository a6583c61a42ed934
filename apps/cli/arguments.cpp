#include <charconv>

#include "apps/cli/command.h"

namespace transformers::cli {

std::optional<std::string> Arguments::find(const std::string& name) const {
  const auto it = values_.find(name);
  return it == values_.end() ? std::nullopt : std::optional(it->second);
}

std::string Arguments::text(const std::string& name, const std::string& fallback) const {
  return find(name).value_or(fallback);
}

int64_t Arguments::integer(const std::string& name, int64_t fallback) const {
  const auto value = find(name);
  if (!value) return fallback;
  int64_t number = fallback;
  std::from_chars(value->data(), value->data() + value->size(), number);  // the parser has checked it
  return number;
}

}  // namespace transformers::cli
