#include "transformers/mapping/detail/conversion.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/parallel.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/quants.h"

namespace transformers::detail {

namespace {

constexpr size_t kPiece = 1 << 15;  // elements; whole blocks of every type

size_t elements_of(size_t bytes, DataType type) {
  const auto& row = info(type);
  return bytes / static_cast<size_t>(row.block_bytes) * static_cast<size_t>(row.block_elements);
}

std::span<const std::byte> piece_of(std::span<const std::byte> bytes, DataType type, size_t first, size_t count) {
  const auto& row = info(type);
  const auto in_bytes = [&](size_t elements) {
    return elements / static_cast<size_t>(row.block_elements) * static_cast<size_t>(row.block_bytes);
  };
  return bytes.subspan(in_bytes(first), in_bytes(count));
}

void to_floats(DataType type, std::span<const std::byte> bytes, std::span<float> values) {
  if (type != DataType::F64) return dequantize(type, bytes, values);
  for (size_t i = 0; i < values.size(); ++i) {
    double wide;
    std::memcpy(&wide, bytes.data() + i * sizeof wide, sizeof wide);
    values[i] = static_cast<float>(wide);
  }
}

// Calls `job(first, count)` for the pieces of a tensor, on all cores.
template <class Job>
void for_pieces(size_t elements, const Job& job) {
  run_parallel((elements + kPiece - 1) / kPiece, [&](size_t piece) {
    const auto first = piece * kPiece;
    job(first, std::min(kPiece, elements - first));
  });
}

}  // namespace

bool is_castable(DataType type) {
  constexpr DataType kTypes[] = {DataType::F16, DataType::BF16, DataType::F32, DataType::F64};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

Overflows::Overflows(DataType to)
    : to_(to),
      limit_(to == DataType::F16    ? 65520.0F
             : to == DataType::BF16 ? 0x1.ffp+127F
                                    : std::numeric_limits<float>::infinity()) {}

void Overflows::look(std::span<const float> values) {
  if (std::isinf(limit_)) return;
  const auto count = std::count_if(values.begin(), values.end(),
                                   [&](float value) { return std::abs(value) >= limit_ && !std::isinf(value); });
  if (count > 0) count_ += count;
}

void Overflows::tell(std::string_view name) const {
  if (count_ > 0)
    logging::warning(str(quote(name), ": ", count_.load(), " values are too large for ", info(to_).name,
                         " and became infinite; choose a type that holds them"));
}

SharedBytes cast_bytes(const SharedBytes& data, DataType from, DataType to, std::string_view name) {
  if (from == to) return data;
  if (!(is_castable(from) || info(from).is_quantized) || !is_castable(to) || to == DataType::F64)
    throw ValueError(str(quote(name), ": ", info(from).name, " cannot be made ", info(to).name));
  const auto elements = elements_of(data.bytes.size(), from);
  std::shared_ptr<std::byte[]> out(new std::byte[elements * static_cast<size_t>(info(to).block_bytes)]);
  const std::span<std::byte> target(out.get(), elements * static_cast<size_t>(info(to).block_bytes));
  Overflows overflows(to);
  for_pieces(elements, [&](size_t first, size_t count) {
    std::vector<float> values(count);
    to_floats(from, piece_of(data.bytes, from, first, count), values);
    overflows.look(values);
    const auto width = static_cast<size_t>(info(to).block_bytes);
    quantize(to, values, target.subspan(first * width, count * width));
  });
  overflows.tell(name);
  return {.bytes = target, .owner = out};
}

double SquaredError::relative() const {
  if (differences == 0) return 0;
  return values == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(differences / values);
}

SquaredError compare_values(const SharedBytes& before, DataType before_type, const SharedBytes& after,
                            DataType after_type) {
  const auto elements = elements_of(before.bytes.size(), before_type);
  SquaredError sum;
  std::mutex mutex;
  for_pieces(elements, [&](size_t first, size_t count) {
    std::vector<float> a(count), b(count);
    to_floats(before_type, piece_of(before.bytes, before_type, first, count), a);
    to_floats(after_type, piece_of(after.bytes, after_type, first, count), b);
    SquaredError part;
    for (size_t i = 0; i < count; ++i) {
      const double value = a[i], difference = value - b[i];
      part.values += value * value;
      part.differences += difference * difference;
    }
    const std::lock_guard lock(mutex);
    sum.values += part.values;
    sum.differences += part.differences;
  });
  return sum;
}

Int8Matrix quantize_int8(const SharedBytes& data, DataType type, int64_t rows, int64_t columns, std::string_view name) {
  constexpr float kMost = 127;
  const auto width = static_cast<size_t>(columns);
  Int8Matrix out{.values = std::vector<int8_t>(static_cast<size_t>(rows) * width),
                 .scales = std::vector<float>(static_cast<size_t>(rows))};
  const auto job = [&](size_t row) {
    std::vector<float> values(width);
    to_floats(type, piece_of(data.bytes, type, row * width, width), values);
    float most = 0;
    for (const float value : values) {
      if (!std::isfinite(value)) throw ValueError(str(quote(name), ": row ", row, " holds a value that is not finite"));
      most = std::max(most, std::abs(value));
    }
    const float scale = most / kMost;
    out.scales[row] = scale;
    for (size_t i = 0; i < width && scale > 0; ++i)
      out.values[row * width + i] = static_cast<int8_t>(std::clamp(std::nearbyint(values[i] / scale), -kMost, kMost));
  };
  run_parallel(static_cast<size_t>(rows), job, {.chunk = std::max<size_t>(1, kPiece / std::max<size_t>(width, 1))});
  return out;
}

SquaredError compare_int8(const SharedBytes& before, DataType type, const Int8Matrix& after) {
  SquaredError sum;
  const size_t rows = after.scales.size(), width = rows == 0 ? 0 : after.values.size() / rows;
  std::vector<float> values(width);
  for (size_t row = 0; row < rows; ++row) {
    to_floats(type, piece_of(before.bytes, type, row * width, width), values);
    for (size_t i = 0; i < width; ++i) {
      const double value = values[i];
      const double difference = value - double{after.scales[row]} * after.values[row * width + i];
      sum.values += value * value;
      sum.differences += difference * difference;
    }
  }
  return sum;
}

}  // namespace transformers::detail
