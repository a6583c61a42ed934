#include "transformers/mapping/ops.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/dtypes.h"

namespace transformers {

namespace {

// What an op does to shapes, and which it fits.
struct OpRow {
  Op op = Op::Rename, inverse = Op::Rename;
  bool (*fits)(std::span<const int64_t> shape) = nullptr;
  std::vector<int64_t> (*shape)(std::span<const int64_t> shape) = nullptr;
  std::string_view needs = {};  // for errors
};

using Shape = std::vector<int64_t>;

Shape same(std::span<const int64_t> s) { return {s.begin(), s.end()}; }
bool any(std::span<const int64_t>) { return true; }
bool has_rows(std::span<const int64_t> s) { return !s.empty(); }
bool is_4d(std::span<const int64_t> s) { return s.size() == 4; }

constexpr OpRow kOps[] = {
    {Op::Rename, Op::Rename, any, same, ""},
    {Op::PermuteRope, Op::UnpermuteRope, has_rows, same, "rows"},
    {Op::UnpermuteRope, Op::PermuteRope, has_rows, same, "rows"},
    {Op::Transpose, Op::Transpose, [](std::span<const int64_t> s) { return s.size() == 2 || s.size() == 3; },
     [](std::span<const int64_t> s) { return Shape(s.rbegin(), s.rend()); }, "two or three dimensions"},
    {Op::HwioToOihw, Op::OihwToHwio, is_4d,
     [](std::span<const int64_t> s) {
       return Shape{s[3], s[2], s[0], s[1]};
     },
     "four dimensions"},
    {Op::OihwToHwio, Op::HwioToOihw, is_4d,
     [](std::span<const int64_t> s) {
       return Shape{s[2], s[3], s[1], s[0]};
     },
     "four dimensions"},
    {Op::Squeeze, Op::Unsqueeze, [](std::span<const int64_t> s) { return s.size() == 2 && s[0] == 1; },
     [](std::span<const int64_t> s) { return Shape{s[1]}; }, "two dimensions, the first of size 1"},
    {Op::Unsqueeze, Op::Squeeze, [](std::span<const int64_t> s) { return s.size() == 1; },
     [](std::span<const int64_t> s) {
       return Shape{1, s[0]};
     },
     "one dimension"},
};

const OpRow& row_of(Op op) {
  return *std::find_if(std::begin(kOps), std::end(kOps), [&](const OpRow& row) { return row.op == op; });
}

Shape row_major(std::span<const int64_t> shape) {
  Shape strides(shape.size(), 1);
  if (element_count(shape).value_or(0) == 0) return strides;  // nothing to reach, and products could overflow
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// The halves of a head's rows are its even and its odd rows in the file.
OpView rope_view(Op op, std::span<const int64_t> shape, int64_t heads, std::string_view name) {
  if (heads < 1 || shape[0] % heads != 0 || shape[0] / heads % 2 != 0)
    throw ValueError(str(quote(name), ": its ", shape[0], " rows do not divide into ", heads, " heads of even size"));
  const int64_t half = shape[0] / heads / 2, width = row_major(shape)[0];
  if (op == Op::PermuteRope) return {{heads, 2, half, width}, {2 * half * width, width, 2 * width, 1}, false};
  return {{heads, half, 2, width}, {2 * half * width, width, half * width, 1}, false};
}

// Copies the elements of `in` that `view` names, tile by tile over the last two axes: a transposition that follows one
// of the two sides only would miss the cache with each element.
template <size_t N>
void gather(const OpView& view, const std::byte* in, std::byte* out) {
  constexpr int64_t kTile = 32;
  const size_t rank = view.sizes.size();
  const int64_t rows = view.sizes[rank - 2], columns = view.sizes[rank - 1];
  const int64_t row_stride = view.strides[rank - 2], column_stride = view.strides[rank - 1];
  const auto copy_plane = [&](const std::byte* from, std::byte* to) {
    for (int64_t r = 0; r < rows; r += kTile)
      for (int64_t c = 0; c < columns; c += kTile)
        for (int64_t i = r; i < std::min(r + kTile, rows); ++i)
          for (int64_t j = c; j < std::min(c + kTile, columns); ++j)
            std::memcpy(to + static_cast<size_t>(i * columns + j) * N,
                        from + static_cast<size_t>(i * row_stride + j * column_stride) * N, N);
  };
  std::vector<int64_t> index(rank - 2, 0);
  for (;; out += static_cast<size_t>(rows * columns) * N) {
    int64_t offset = 0;
    for (size_t i = 0; i < index.size(); ++i) offset += index[i] * view.strides[i];
    copy_plane(in + static_cast<size_t>(offset) * N, out);
    size_t axis = index.size();
    while (axis > 0 && ++index[axis - 1] == view.sizes[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

using Gather = void (*)(const OpView&, const std::byte*, std::byte*);

Gather gather_of(size_t element_bytes, std::string_view name) {
  constexpr std::pair<size_t, Gather> kWidths[] = {
      {1, gather<1>}, {2, gather<2>}, {4, gather<4>}, {8, gather<8>}, {16, gather<16>}};
  for (const auto& [width, function] : kWidths)
    if (width == element_bytes) return function;
  throw ValueError(str(quote(name), ": values of ", element_bytes, " bytes cannot be put in another order"));
}

}  // namespace

Op inverse_of(Op op) { return row_of(op).inverse; }

std::vector<int64_t> shape_after(Op op, std::span<const int64_t> shape) {
  const auto& row = row_of(op);
  return row.fits(shape) ? row.shape(shape) : same(shape);
}

int64_t heads_of(const Json& config, std::string_view field) {
  if (field.empty()) return 0;
  const auto* value = config.find(field);
  if (!value || value->is_null()) value = config.find("num_attention_heads");
  return value && value->is_int() ? value->as_int() : 0;
}

OpView view_of(Op op, std::span<const int64_t> shape, int64_t heads, std::string_view name) {
  const auto& row = row_of(op);
  if (!row.fits(shape)) throw ValueError(str(quote(name), ": its shape is ", same(shape), ", expected ", row.needs));
  const auto strides = row_major(shape);
  switch (op) {
    case Op::PermuteRope:
    case Op::UnpermuteRope: return rope_view(op, shape, heads, name);
    case Op::Transpose: return {row.shape(shape), {strides.rbegin(), strides.rend()}, false};
    case Op::HwioToOihw: return {row.shape(shape), {strides[3], strides[2], strides[0], strides[1]}, false};
    case Op::OihwToHwio: return {row.shape(shape), {strides[2], strides[3], strides[1], strides[0]}, false};
    case Op::Rename:
    case Op::Squeeze:
    case Op::Unsqueeze: break;
  }
  return {same(shape), strides, true};
}

SharedBytes apply_op(Op op, const SharedBytes& data, std::span<const int64_t> shape, size_t element_bytes,
                     int64_t heads, std::string_view name) {
  const auto view = view_of(op, shape, heads, name);
  if (view.is_identity) return data;
  const auto function = gather_of(element_bytes, name);
  const auto elements = element_count(shape);
  if (!elements || data.bytes.size() % element_bytes != 0 ||
      data.bytes.size() / element_bytes != static_cast<size_t>(*elements))
    throw ValueError(str(quote(name), ": has ", data.bytes.size(), " bytes, which is not what the shape ", same(shape),
                         " of values of ", element_bytes, " bytes needs"));
  if (data.bytes.empty()) return data;
  const auto out = std::make_shared<std::vector<std::byte>>(data.bytes.size());
  function(view, data.bytes.data(), out->data());
  return {.bytes = *out, .owner = out};
}

SharedBytes undo_op(Op op, const SharedBytes& data, std::span<const int64_t> shape, size_t element_bytes, int64_t heads,
                    std::string_view name) {
  return apply_op(inverse_of(op), data, shape, element_bytes, heads, name);
}

}  // namespace transformers
