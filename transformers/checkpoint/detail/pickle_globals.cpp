#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/detail/pickle_machine.h"

namespace transformers::detail {
namespace {

struct GlobalRow {
  std::string_view module, name;
  PickleGlobal global;
};

// The allow-list. Storage types and dtypes come on top, from the table of dtypes.
constexpr GlobalRow kGlobals[] = {
    {"__builtin__", "bytearray", PickleGlobal::Opaque},
    {"__builtin__", "complex", PickleGlobal::Opaque},
    {"__builtin__", "frozenset", PickleGlobal::Opaque},
    {"__builtin__", "set", PickleGlobal::Opaque},
    {"_codecs", "encode", PickleGlobal::Opaque},
    {"builtins", "bytearray", PickleGlobal::Opaque},
    {"builtins", "complex", PickleGlobal::Opaque},
    {"builtins", "frozenset", PickleGlobal::Opaque},
    {"builtins", "set", PickleGlobal::Opaque},
    {"collections", "Counter", PickleGlobal::Opaque},
    {"collections", "OrderedDict", PickleGlobal::OrderedDict},
    {"torch", "Size", PickleGlobal::FirstArgument},
    {"torch", "Tensor", PickleGlobal::Class},
    {"torch", "device", PickleGlobal::Opaque},
    {"torch._tensor", "_rebuild_from_type_v2", PickleGlobal::FromType},
    {"torch._utils", "_rebuild_parameter", PickleGlobal::FirstArgument},
    {"torch._utils", "_rebuild_parameter_with_state", PickleGlobal::FirstArgument},
    {"torch._utils", "_rebuild_tensor", PickleGlobal::Tensor},
    {"torch._utils", "_rebuild_tensor_v2", PickleGlobal::Tensor},
    {"torch._utils", "_rebuild_tensor_v3", PickleGlobal::Tensor},
    {"torch.nn.parameter", "Buffer", PickleGlobal::Class},
    {"torch.nn.parameter", "Parameter", PickleGlobal::FirstArgument},
    {"torch.serialization", "_get_layout", PickleGlobal::Opaque},
};

// Tensors that the reference rebuilds and we do not.
constexpr GlobalRow kUnread[] = {
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", PickleGlobal::Tensor},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", PickleGlobal::Tensor},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", PickleGlobal::Tensor},
    {"torch._utils", "_rebuild_nested_tensor", PickleGlobal::Tensor},
    {"torch._utils", "_rebuild_qtensor", PickleGlobal::Tensor},
    {"torch._utils", "_rebuild_sparse_tensor", PickleGlobal::Tensor},
    {"torch._utils", "_rebuild_wrapper_subclass", PickleGlobal::Tensor},
};

// Types that torch has and our table lacks: an entry that uses one is refused by name, one beside the weights is not.
constexpr std::string_view kOtherDtypes[] = {
    "complex128",         "complex32",      "float4_e2m1fn_x2", "float8_e4m3fnuz",
    "float8_e5m2fnuz",    "float8_e8m0fnu", "qint32",           "qint8",
    "quint2x4",           "quint4x2",       "quint8",           "per_tensor_affine",
    "per_channel_affine",
};
constexpr std::string_view kOtherStorages[] = {"ComplexDoubleStorage", "QInt32Storage",   "QInt8Storage",
                                               "QUInt2x4Storage",      "QUInt4x2Storage", "QUInt8Storage"};
constexpr std::string_view kUntypedStorages[] = {"TypedStorage", "UntypedStorage", "_TypedStorage", "_UntypedStorage"};

template <class Row>
const Row* find_row(std::span<const Row> rows, std::string_view module, std::string_view name) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.module == module && row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Storage types lie in torch, torch.cuda (files written from a GPU long ago) and torch.storage.
bool read_storage(std::string_view module, std::string_view name, PickleNode& node) {
  if (module != "torch" && module != "torch.cuda" && module != "torch.storage") return false;
  node.global = PickleGlobal::Storage;
  node.is_untyped = contains(kUntypedStorages, name);
  if (node.is_untyped || contains(kOtherStorages, name)) return true;
  const auto dtype = data_type_from_torch_storage(name);
  if (dtype) node.dtype = static_cast<uint8_t>(*dtype);
  return dtype.has_value();
}

bool read_dtype(std::string_view module, std::string_view name, PickleNode& node) {
  if (module != "torch") return false;
  node.global = PickleGlobal::Dtype;
  const auto dtype = data_type_from_name(name);
  if (dtype && !info(*dtype).is_quantized) node.dtype = static_cast<uint8_t>(*dtype);
  return node.dtype != PickleNode::kNoDtype || contains(kOtherDtypes, name);
}

}  // namespace

PickleNode pickle_global(std::string_view module, std::string_view name, uint64_t at,
                         const std::filesystem::path& file) {
  PickleNode node{.kind = PickleKind::Global};
  if (const auto* row = find_row<GlobalRow>(kGlobals, module, name)) {
    node.global = row->global;
    return node;
  }
  if (read_storage(module, name, node) || read_dtype(module, name, node)) return node;
  const auto full = quote(str(module, ".", name));
  if (find_row<GlobalRow>(kUnread, module, name))
    throw ValueError(str(file, ": holds a tensor that ", full,
                         " rebuilds (sparse, quantised, nested or without data), which this version does not read; "
                         "save it dense"));
  throw ValueError(str(file, ": the pickle asks for ", full, " at byte ", at,
                       ", which is code and not weights; refuse it or load safetensors"));
}

}  // namespace transformers::detail
