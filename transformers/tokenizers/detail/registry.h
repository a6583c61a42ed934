#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
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

/// Builds a component from its fields, or from nothing where it has none: the entry of most rows. `Made` is a
/// unique_ptr.
template <class Made, class T>
[[nodiscard]] Made make_from_fields(const Fields& fields) {
  if constexpr (std::is_constructible_v<T, const Fields&>)
    return std::make_unique<T>(fields);
  else
    return std::make_unique<T>();
}

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
