#include "transformers/dtypes/dtypes.h"

#include <algorithm>

namespace transformers {
namespace {

using enum DataType;

constexpr DataTypeInfo plain(DataType type, std::string_view name, std::string_view safetensors, int gguf, int bytes,
                             bool is_floating, std::string_view torch_storage = {}) {
  return {.type = type,
          .name = name,
          .safetensors = safetensors,
          .gguf = gguf,
          .block_bytes = bytes,
          .is_floating = is_floating,
          .torch_storage = torch_storage};
}

constexpr DataTypeInfo quantized(DataType type, std::string_view name, int gguf, int block_elements, int block_bytes) {
  return {.type = type,
          .name = name,
          .gguf = gguf,
          .block_elements = block_elements,
          .block_bytes = block_bytes,
          .is_quantized = true};
}

// ggml has no unsigned integers and no float8; safetensors has no quantised blocks; torch stopped adding storage
// classes before its wider unsigned integers and float8.
constexpr DataTypeInfo kDataTypes[] = {
    plain(Bool, "bool", "BOOL", -1, 1, false, "BoolStorage"),
    plain(U8, "uint8", "U8", -1, 1, false, "ByteStorage"),
    plain(I8, "int8", "I8", 24, 1, false, "CharStorage"),
    plain(F8_E5M2, "float8_e5m2", "F8_E5M2", -1, 1, true),
    plain(F8_E4M3, "float8_e4m3fn", "F8_E4M3", -1, 1, true),
    plain(I16, "int16", "I16", 25, 2, false, "ShortStorage"),
    plain(U16, "uint16", "U16", -1, 2, false),
    plain(F16, "float16", "F16", 1, 2, true, "HalfStorage"),
    plain(BF16, "bfloat16", "BF16", 30, 2, true, "BFloat16Storage"),
    plain(I32, "int32", "I32", 26, 4, false, "IntStorage"),
    plain(U32, "uint32", "U32", -1, 4, false),
    plain(F32, "float32", "F32", 0, 4, true, "FloatStorage"),
    plain(C64, "complex64", "C64", -1, 8, false, "ComplexFloatStorage"),
    plain(F64, "float64", "F64", 28, 8, true, "DoubleStorage"),
    plain(I64, "int64", "I64", 27, 8, false, "LongStorage"),
    plain(U64, "uint64", "U64", -1, 8, false),
    quantized(Q4_0, "q4_0", 2, 32, 18),
    quantized(Q4_1, "q4_1", 3, 32, 20),
    quantized(Q5_0, "q5_0", 6, 32, 22),
    quantized(Q5_1, "q5_1", 7, 32, 24),
    quantized(Q8_0, "q8_0", 8, 32, 34),
    quantized(Q2_K, "q2_k", 10, 256, 84),
    quantized(Q3_K, "q3_k", 11, 256, 110),
    quantized(Q4_K, "q4_k", 12, 256, 144),
    quantized(Q5_K, "q5_k", 13, 256, 176),
    quantized(Q6_K, "q6_k", 14, 256, 210),
    quantized(IQ4_NL, "iq4_nl", 20, 32, 18),
    quantized(IQ4_XS, "iq4_xs", 23, 256, 136),
    quantized(TQ1_0, "tq1_0", 34, 256, 54),
    quantized(TQ2_0, "tq2_0", 35, 256, 66),
    quantized(MXFP4, "mxfp4", 39, 32, 17),
};

constexpr bool rows_follow_enumerators() {
  for (size_t i = 0; i < std::size(kDataTypes); ++i)
    if (static_cast<size_t>(kDataTypes[i].type) != i) return false;
  return kDataTypes[std::size(kDataTypes) - 1].type == MXFP4;
}
static_assert(rows_follow_enumerators(), "info() indexes the table by enumerator");

template <class Predicate>
std::optional<DataType> first_where(Predicate predicate) {
  const auto* row = std::find_if(std::begin(kDataTypes), std::end(kDataTypes), predicate);
  if (row == std::end(kDataTypes)) return std::nullopt;
  return row->type;
}

}  // namespace

std::span<const DataTypeInfo> data_types() { return kDataTypes; }

const DataTypeInfo& info(DataType type) { return kDataTypes[static_cast<size_t>(type)]; }

std::optional<DataType> data_type_from_name(std::string_view name) {
  if (name.starts_with("torch.")) name.remove_prefix(6);
  return first_where([&](const DataTypeInfo& row) { return row.name == name; });
}

std::optional<DataType> data_type_from_safetensors(std::string_view code) {
  if (code.empty()) return std::nullopt;
  return first_where([&](const DataTypeInfo& row) { return row.safetensors == code; });
}

std::optional<DataType> data_type_from_torch_storage(std::string_view name) {
  if (name.empty()) return std::nullopt;
  return first_where([&](const DataTypeInfo& row) { return row.torch_storage == name; });
}

std::optional<DataType> data_type_from_gguf(int64_t number) {
  if (number < 0) return std::nullopt;
  return first_where([&](const DataTypeInfo& row) { return row.gguf == number; });
}

std::optional<int64_t> element_count(std::span<const int64_t> shape) {
  int64_t count = 1;
  bool is_empty = false;
  for (const int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(count, std::max<int64_t>(dim, 1), &count)) return std::nullopt;
    is_empty |= dim == 0;
  }
  return is_empty ? 0 : count;
}

std::optional<int64_t> byte_count(DataType type, std::span<const int64_t> shape) {
  const DataTypeInfo& row = info(type);
  const auto count = element_count(shape);
  if (!count) return std::nullopt;
  const int64_t last = shape.empty() ? 1 : shape.back();
  if (last % row.block_elements != 0) return std::nullopt;
  int64_t bytes = 0;
  if (__builtin_mul_overflow(*count / row.block_elements, int64_t{row.block_bytes}, &bytes)) return std::nullopt;
  return bytes;
}

}  // namespace transformers
