#include "transformers/placement/materialize.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

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

at::Tensor expand(const SharedBytes& data, const CheckpointEntry& entry) {
  auto out = at::empty(entry.shape, at::kFloat);
  const auto count = static_cast<size_t>(out.numel());
  dequantize(entry.dtype, data.bytes, {out.mutable_data_ptr<float>(), count});
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
  auto tensor = type ? view(data, entry, *type) : expand(data, entry);
  // Turned weights get memory of their own: products want rows in order.
  if (op != Op::Rename) tensor = apply(op, tensor, heads, entry.name).contiguous();
  if (at::isFloatingType(tensor.scalar_type()) && tensor.scalar_type() != dtype) tensor = tensor.to(dtype);
  return tensor;
}

}  // namespace transformers
