#include "transformers/mapping/dialects/detail/gguf_conversion.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/quants.h"

namespace transformers::detail {

namespace {

// Calls `job` for parts of 0 to `count`, on all cores when there is enough to do.
template <class Job>
void share_out(int64_t count, int64_t least, const Job& job) {
  const auto cores = std::clamp<int64_t>(std::thread::hardware_concurrency(), 1, 16);
  const int64_t parts = std::clamp<int64_t>(count / std::max<int64_t>(least, 1), 1, cores);
  std::exception_ptr failure;
  std::mutex mutex;
  const auto run = [&](int64_t part) {
    try {
      job(count * part / parts, count * (part + 1) / parts);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int64_t part = 1; part < parts; ++part) helpers.emplace_back(run, part);
    run(0);
  }
  if (failure) std::rethrow_exception(failure);
}

// The tensor as rows along its first dimension.
struct Rows {
  int64_t count = 1, elements = 1;

  explicit Rows(const std::vector<int64_t>& shape) : count(shape.empty() ? 1 : shape[0]) {
    for (size_t i = 1; i < shape.size(); ++i) elements *= shape[i];
  }
};

// In the file the two halves of a head's rows alternate.
struct RowOrder {
  int64_t head_size = 0;  // 0: as they are

  [[nodiscard]] int64_t source_of(int64_t row) const {
    if (head_size == 0) return row;
    const int64_t within = row % head_size;
    return row - within + within % 2 * (head_size / 2) + within / 2;
  }
};

RowOrder order_of(const GgufTarget& target, int64_t rows) {
  if (target.op != Op::PermuteRope) return {};
  if (target.heads < 1 || rows % (2 * target.heads) != 0)
    throw ValueError(str("its ", rows, " rows do not divide into ", target.heads, " heads of even size"));
  return {rows / target.heads};
}

size_t bytes_for(DataType dtype, int64_t elements) {
  return static_cast<size_t>(byte_count(dtype, std::vector<int64_t>{elements}).value());
}

using Bytes = std::vector<std::byte>;

// Rows in another order, their bytes as they are.
Bytes reordered(std::span<const std::byte> bytes, const Rows& rows, const RowOrder& order) {
  Bytes out(bytes.size());
  const size_t width = rows.count == 0 ? 0 : bytes.size() / static_cast<size_t>(rows.count);
  for (int64_t row = 0; row < rows.count; ++row)
    std::memcpy(out.data() + static_cast<size_t>(row) * width,
                bytes.data() + static_cast<size_t>(order.source_of(row)) * width, width);
  return out;
}

// Row by row, so that no second copy of the tensor comes to be.
Bytes recast(std::span<const std::byte> bytes, DataType from, DataType to, const Rows& rows, const RowOrder& order) {
  const size_t from_width = bytes_for(from, rows.elements), to_width = bytes_for(to, rows.elements);
  Bytes out(static_cast<size_t>(rows.count) * to_width);
  constexpr int64_t kLeastElements = 1 << 16;
  share_out(rows.count, kLeastElements / std::max<int64_t>(rows.elements, 1), [&](int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(rows.elements));
    for (int64_t row = begin; row < end; ++row) {
      dequantize(from, bytes.subspan(static_cast<size_t>(order.source_of(row)) * from_width, from_width), values);
      quantize(to, values, std::span(out).subspan(static_cast<size_t>(row) * to_width, to_width));
    }
  });
  return out;
}

Bytes transposed(std::span<const std::byte> bytes, const CheckpointEntry& entry, DataType to) {
  if (entry.shape.size() != 2) throw ValueError(str("its shape ", entry.shape, " is no matrix's"));
  const auto rows = static_cast<size_t>(entry.shape[0]), columns = static_cast<size_t>(entry.shape[1]);
  std::vector<float> values(rows * columns), turned(rows * columns);
  dequantize(entry.dtype, bytes, values);
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column) turned[column * rows + row] = values[row * columns + column];
  Bytes out(bytes_for(to, entry.shape[0]) * columns);
  quantize(to, turned, out);
  return out;
}

SharedBytes owned(Bytes bytes) {
  auto kept = std::make_shared<Bytes>(std::move(bytes));
  return {.bytes = *kept, .owner = kept};
}

}  // namespace

std::vector<int64_t> shape_after_undoing(Op op, const std::vector<int64_t>& shape) {
  return op == Op::Transpose && shape.size() == 2 ? std::vector{shape[1], shape[0]} : shape;
}

int64_t heads_of(const Json& config, std::string_view field) {
  if (field.empty()) return 0;
  const auto* value = config.find(field);
  if (!value || value->is_null()) value = config.find("num_attention_heads");  // one for each query
  return value && value->is_int() ? value->as_int() : 0;
}

SharedBytes convert_for_gguf(const CheckpointReader& source, const CheckpointEntry& entry, const GgufTarget& target,
                             DataType dtype) {
  auto data = source.bytes(entry);
  try {
    if (target.op == Op::Transpose) return owned(transposed(data.bytes, entry, dtype));
    const Rows rows(entry.shape);
    const auto order = order_of(target, rows.count);
    if (entry.dtype != dtype) return owned(recast(data.bytes, entry.dtype, dtype, rows, order));
    return order.head_size == 0 ? data : owned(reordered(data.bytes, rows, order));
  } catch (const ValueError& error) {
    throw ValueError(str(quote(entry.name), " as ", quote(target.name), ": ", error.what()));
  }
}

}  // namespace transformers::detail
