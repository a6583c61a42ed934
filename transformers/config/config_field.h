#pragma once

#include "transformers/config/config.h"

namespace transformers {

/// Sets a field from JSON; null makes an optional one absent. Throws TypeError or ValueError without the field's name.
void set_field(const ConfigField& field, const Json& value);
/// The value of a field; null for one that is absent.
[[nodiscard]] Json get_field(const ConfigField& field);

}  // namespace transformers
