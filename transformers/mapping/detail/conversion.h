#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "transformers/base/files.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers::detail {

/// True for the types between which `cast_bytes` goes, and from which block types are packed.
[[nodiscard]] bool is_castable(DataType type);

/// A tensor's values in another floating type, rounded to nearest; the same bytes where the type is the same. Block
/// types can be expanded here, not packed. ValueError naming the tensor for other types.
[[nodiscard]] SharedBytes cast_bytes(const SharedBytes& data, DataType from, DataType to, std::string_view name);

/// Sums over the elements of a tensor and what it became: the squares of the values and of the differences.
struct SquaredError {
  double values = 0, differences = 0;
  /// Root of the mean squared difference, relative to that of the values; 0 where both are nothing.
  [[nodiscard]] double relative() const;
};
[[nodiscard]] SquaredError compare_values(const SharedBytes& before, DataType before_type, const SharedBytes& after,
                                          DataType after_type);

/// A matrix as int8: value = integer times the scale of its row, the largest magnitude of a row being 127.
struct Int8Matrix {
  std::vector<int8_t> values = {};
  std::vector<float> scales = {};  // one a row
};
/// ValueError naming the tensor for values that are not finite.
[[nodiscard]] Int8Matrix quantize_int8(const SharedBytes& data, DataType type, int64_t rows, int64_t columns,
                                       std::string_view name);
[[nodiscard]] SquaredError compare_int8(const SharedBytes& before, DataType type, const Int8Matrix& after);

/// Counts finite values that become infinite in a narrower type, from any thread.
class Overflows {
 public:
  explicit Overflows(DataType to);
  void look(std::span<const float> values);
  /// Warns, naming the tensor, when there were any.
  void tell(std::string_view name) const;

 private:
  DataType to_;
  float limit_;  // the least number that is rounded up to infinity
  std::atomic<int64_t> count_ = 0;
};

}  // namespace transformers::detail
