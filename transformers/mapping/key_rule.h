#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string_view>

namespace transformers {

/// A short constant list held in place, so that tables of records can be constant-initialised.
template <class T, size_t N = 8>
struct Few {
  constexpr Few() = default;
  constexpr Few(std::initializer_list<T> many) {
    for (const auto& value : many) data[count++] = value;  // too many: no constant expression, an error at compile time
  }
  [[nodiscard]] constexpr const T* begin() const { return data.data(); }
  [[nodiscard]] constexpr const T* end() const { return data.data() + count; }
  [[nodiscard]] constexpr size_t size() const { return count; }
  [[nodiscard]] constexpr bool empty() const { return count == 0; }
  std::array<T, N> data{};
  size_t count = 0;
};

/// What happens to a tensor on its way from a file into the model. Each has an inverse: see mapping/ops.h.
enum class Op {
  Rename,         // nothing but the name changes
  PermuteRope,    // rows of a projection from interleaved to half-split rotary order; `heads` rows of heads
  UnpermuteRope,  // the inverse
  Transpose,      // two or three dimensions in reverse order
  HwioToOihw,     // a convolution's kernel of four dimensions, (height, width, in, out) to (out, in, height, width)
  OihwToHwio,     // the inverse
  Squeeze,        // (1, n) to (n)
  Unsqueeze,      // the inverse
};

/// Matches a whole key: `*` is one dotted segment, `**` a tail; both sides have the same stars.
struct KeyRule {
  std::string_view from = {};
  std::string_view to = {};
  Op op = Op::Rename;
  std::string_view heads = {};  // PermuteRope: the config field that holds the number of heads
  size_t rank = 0;              // only tensors that have so many dimensions in the file; 0: all
};

/// `name` is the same parameter as `source`.
struct TiedWeight {
  std::string_view name = {}, source = {};
};

}  // namespace transformers
