#include "transformers/placement/materialize.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/quants.h"
#include "transformers/mapping/ops.h"
#include "transformers/nn/dtypes.h"

namespace transformers {

namespace {

// The mapped bytes as a tensor; the deleter holds the mapping.
at::Tensor view(const SharedBytes& data, const CheckpointEntry& entry, at::ScalarType type) {
  if (data.bytes.empty()) return at::empty(entry.shape, type);
  auto* address = const_cast<std::byte*>(data.bytes.data());
  const auto mapped = at::from_blob(
      address, entry.shape, [owner = data.owner](void*) {}, at::TensorOptions().dtype(type));
  // The format does not promise that tensors lie on multiples of their element size.
  return reinterpret_cast<uintptr_t>(address) % mapped.element_size() == 0 ? mapped : mapped.clone();
}

// Blocks as floats of `dtype`, a piece at a time: a whole copy in float32 would be more memory than the model may take.
at::Tensor expand(const SharedBytes& data, const CheckpointEntry& entry, at::ScalarType dtype) {
  const auto& block = info(entry.dtype);
  auto out = at::empty(entry.shape, dtype);
  const auto count = out.numel();
  const bool is_direct = dtype == at::kFloat;
  const int64_t piece = is_direct ? count : int64_t{4096} * block.block_elements;
  std::vector<float> floats(is_direct ? 0 : static_cast<size_t>(std::min(piece, count)));
  const auto flat = out.view(-1);
  for (int64_t begin = 0; begin < count; begin += piece) {
    const auto size = std::min(piece, count - begin);
    const auto bytes = data.bytes.subspan(static_cast<size_t>(begin / block.block_elements * block.block_bytes),
                                          static_cast<size_t>(size / block.block_elements * block.block_bytes));
    auto* target = is_direct ? out.mutable_data_ptr<float>() : floats.data();
    dequantize(entry.dtype, bytes, {target, static_cast<size_t>(size)});
    if (!is_direct) flat.narrow(0, begin, size).copy_(at::from_blob(target, {size}, at::kFloat));
  }
  return out;
}

at::Tensor apply(Op op, const at::Tensor& x, int64_t heads, const std::string& name) {
  const auto order = view_of(op, x.sizes(), heads, name);
  const auto shape = shape_after(op, x.sizes());
  return order.is_identity ? x.reshape(shape) : x.as_strided(order.sizes, order.strides).reshape(shape);
}

}  // namespace

at::Tensor materialize(const CheckpointReader& reader, const CheckpointEntry& entry, Op op, int64_t heads,
                       at::ScalarType dtype) {
  const auto data = reader.bytes(entry);
  const auto type = to_scalar_type(entry.dtype);
  auto tensor = type ? view(data, entry, *type) : expand(data, entry, at::isFloatingType(dtype) ? dtype : at::kFloat);
  // Turned weights get memory of their own: products want rows in order.
  if (op != Op::Rename) tensor = apply(op, tensor, heads, entry.name).contiguous();
  if (at::isFloatingType(tensor.scalar_type()) && tensor.scalar_type() != dtype) tensor = tensor.to(dtype);
  return tensor;
}

}  // namespace transformers
