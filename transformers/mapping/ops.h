#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "transformers/base/files.h"
#include "transformers/base/json.h"
#include "transformers/mapping/key_rule.h"

namespace transformers {

/// The op that undoes `op`.
[[nodiscard]] Op inverse_of(Op op);

/// The shape of a tensor of `shape` after `op`; the same where the op does not fit the rank.
[[nodiscard]] std::vector<int64_t> shape_after(Op op, std::span<const int64_t> shape);

/// The number of heads under a config field, by default one for each query; 0 for no field.
[[nodiscard]] int64_t heads_of(const Json& config, std::string_view field);

/// A tensor's values in another order: `op` as strides over the input, so that one gather serves bytes and tensors.
/// The output's element at index (i, j, …) over `sizes` is the input's at the sum of index times stride, in elements.
struct OpView {
  std::vector<int64_t> sizes = {}, strides = {};
  bool is_identity = true;  // the order of the values does not change
};
/// ValueError naming `name` when the shape has not the rank that `op` needs, or its rows do not divide into `heads`.
[[nodiscard]] OpView view_of(Op op, std::span<const int64_t> shape, int64_t heads, std::string_view name);

/// The row-major bytes of a tensor after `op`: the same bytes where nothing moves, else a copy of this one tensor.
/// `element_bytes`: of one value; block types cannot be reordered but by whole rows, and those have no size here.
/// ValueError as view_of, and for bytes of the wrong size.
[[nodiscard]] SharedBytes apply_op(Op op, const SharedBytes& data, std::span<const int64_t> shape, size_t element_bytes,
                                   int64_t heads = 0, std::string_view name = {});
/// The inverse: `shape` is that of the model's tensor.
[[nodiscard]] SharedBytes undo_op(Op op, const SharedBytes& data, std::span<const int64_t> shape, size_t element_bytes,
                                  int64_t heads = 0, std::string_view name = {});

}  // namespace transformers
