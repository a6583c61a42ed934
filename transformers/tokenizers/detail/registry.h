#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/fields.h"

namespace transformers::detail {

/// A row of a component table: the `type` of tokenizer.json and what builds it.
template <class Product>
struct Component {
  std::string_view type = {};
  Product (*make)(const Fields&) = nullptr;
};

/// Components nest (a Sequence of Sequences); deeper than this is refused.
inline constexpr int kMostNesting = 32;

/// Builds what `fields` describes. Not for use by two threads with one nesting counter: it is thread-local.
template <class Product, size_t Size>
[[nodiscard]] Product make_component(const Component<Product> (&table)[Size], const Fields& fields) {
  static thread_local int depth = 0;
  const struct Guard {
    Guard() { ++depth; }
    ~Guard() { --depth; }
  } guard;
  if (depth > kMostNesting)
    throw ValueError(str(fields.where(), " is nested more than ", kMostNesting, " levels deep"));
  const std::string type = fields.type();
  for (const auto& row : table)
    if (row.type == type) return row.make(fields);
  std::vector<std::string> known;
  for (const auto& row : table) known.emplace_back(row.type);
  throw ValueError(str(fields.where(), ": unknown type ", quote(type), "; known are ", join(known, ", ")));
}

}  // namespace transformers::detail
