#include "transformers/mapping/dialects/detail/gguf_conversion.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/parallel.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/quants.h"
#include "transformers/mapping/detail/conversion.h"
#include "transformers/mapping/ops.h"

namespace transformers::detail {

namespace {

// The tensor as rows along its first dimension.
struct Rows {
  int64_t count = 1, elements = 1;

  explicit Rows(const std::vector<int64_t>& shape) : count(shape.empty() ? 1 : shape[0]) {
    for (size_t i = 1; i < shape.size(); ++i) elements *= shape[i];
  }
};

size_t bytes_for(DataType dtype, int64_t elements) {
  return static_cast<size_t>(byte_count(dtype, std::vector<int64_t>{elements}).value());
}

using Bytes = std::vector<std::byte>;

// Row by row, so that no second copy of the tensor comes to be.
Bytes recast(std::span<const std::byte> bytes, DataType from, DataType to, const Rows& rows, std::string_view name) {
  Overflows overflows(to);
  const size_t from_width = bytes_for(from, rows.elements), to_width = bytes_for(to, rows.elements);
  Bytes out(static_cast<size_t>(rows.count) * to_width);
  constexpr int64_t kLeastElements = 1 << 16;  // for which a thread is worth its while
  const int64_t step = std::max<int64_t>(kLeastElements / std::max<int64_t>(rows.elements, 1), 1);
  run_parallel(static_cast<size_t>((rows.count + step - 1) / step), [&](size_t part) {
    std::vector<float> values(static_cast<size_t>(rows.elements));
    const auto begin = static_cast<int64_t>(part) * step;
    for (int64_t row = begin; row < std::min(begin + step, rows.count); ++row) {
      dequantize(from, bytes.subspan(static_cast<size_t>(row) * from_width, from_width), values);
      overflows.look(values);
      quantize(to, values, std::span(out).subspan(static_cast<size_t>(row) * to_width, to_width));
    }
  });
  overflows.tell(name);
  return out;
}

// Block types move as whole rows only: their row is the value then.
SharedBytes undone(const SharedBytes& data, const CheckpointEntry& entry, const GgufTarget& target) {
  const auto& type = info(entry.dtype);
  if (type.block_elements == 1 || target.op == Op::Rename)
    return undo_op(target.op, data, entry.shape, static_cast<size_t>(type.block_bytes), target.heads, entry.name);
  const auto bytes = bytes_for(entry.dtype, Rows(entry.shape).elements);
  const std::vector<int64_t> rows{entry.shape.empty() ? 1 : entry.shape[0], static_cast<int64_t>(bytes)};
  if (target.op != Op::PermuteRope)
    throw ValueError(str(quote(entry.name), ": values of type ", type.name, " cannot be put in another order"));
  return undo_op(target.op, data, rows, 1, target.heads, entry.name);
}

SharedBytes owned(Bytes bytes) {
  auto kept = std::make_shared<Bytes>(std::move(bytes));
  return {.bytes = *kept, .owner = kept};
}

}  // namespace

SharedBytes convert_for_gguf(const CheckpointReader& source, const CheckpointEntry& entry, const GgufTarget& target,
                             DataType dtype) {
  auto data = undone(source.bytes(entry), entry, target);
  if (entry.dtype == dtype) return data;
  try {
    return owned(
        recast(data.bytes, entry.dtype, dtype, Rows(shape_after(inverse_of(target.op), entry.shape)), entry.name));
  } catch (const ValueError& error) {
    throw ValueError(str(quote(entry.name), " as ", quote(target.name), ": ", error.what()));
  }
}

}  // namespace transformers::detail
