#pragma once

#include <string>

#include "transformers/tokenizers/detail/fields.h"

namespace transformers::detail {

enum class PrependScheme : uint8_t { Always, First, Never };

/// The fields that pre-tokenizer and decoder share.
struct MetaspaceOptions {
  char32_t replacement = 0x2581;
  PrependScheme prepend = PrependScheme::Always;
  bool split = true;
};

[[nodiscard]] inline MetaspaceOptions parse_metaspace(const Fields& fields) {
  MetaspaceOptions options{.replacement = fields.character("replacement"), .split = fields.flag("split", true)};
  const std::string scheme = fields.text("prepend_scheme", "always");
  if (scheme == "first")
    options.prepend = PrependScheme::First;
  else if (scheme == "never")
    options.prepend = PrependScheme::Never;
  else if (scheme != "always")
    fields.fail("prepend_scheme", "must be always, first or never");
  if (!fields.flag("add_prefix_space", true)) {
    if (fields.find("prepend_scheme") != nullptr && scheme != "never")
      fields.fail("add_prefix_space", "contradicts prepend_scheme");
    options.prepend = PrependScheme::Never;
  }
  return options;
}

}  // namespace transformers::detail
