#pragma once

#include <string_view>
#include <vector>

#include "transformers/tokenizers/jinja/operations.h"

namespace transformers::jinja {

/// A filter's `attribute` argument: dotted names and indices, looked up as subscripts.
class AttributePath {
 public:
  /// Missing or None: the value itself.
  AttributePath(Interpreter& in, const Value& attribute, Value fallback = {}, bool ignore_case = false);
  [[nodiscard]] Value get(Interpreter& in, const Value& value) const;

 private:
  std::vector<Value> parts_ = {};
  Value fallback_;
  bool ignore_case_;
};

}  // namespace transformers::jinja
