#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace transformers {

/// Element types of every file format that we read, plain and block-quantised. Without libtorch on purpose: the layers
/// below the module tree use it. Plain types stand in the order in which the safetensors format ranks them, smallest
/// alignment first: its writer lays tensors out by falling rank.
enum class DataType : uint8_t {
  Bool,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  IQ4_NL,
  IQ4_XS,
  TQ1_0,
  TQ2_0,
  MXFP4,
};

/// One row per DataType: the one place where names, codes and sizes agree.
struct DataTypeInfo {
  DataType type = DataType::F32;
  std::string_view name = {};         // torch's name ("float32"), ggml's for quantised types ("q4_0")
  std::string_view safetensors = {};  // "F32"; empty when that format has no code
  int gguf = -1;                      // ggml type number; -1 when none
  int block_elements = 1;             // elements per block
  int block_bytes = 4;                // bytes per block
  bool is_floating = true;
  bool is_quantized = false;
  std::string_view torch_storage = {};  // "FloatStorage" of torch's pickles; empty when torch never had such a class
};

/// The table, in the order of the enumerators.
[[nodiscard]] std::span<const DataTypeInfo> data_types();
[[nodiscard]] const DataTypeInfo& info(DataType type);
[[nodiscard]] std::optional<DataType> data_type_from_name(std::string_view name);  // also "torch.float32"
[[nodiscard]] std::optional<DataType> data_type_from_safetensors(std::string_view code);
[[nodiscard]] std::optional<DataType> data_type_from_torch_storage(std::string_view name);
[[nodiscard]] std::optional<DataType> data_type_from_gguf(int64_t number);

/// Product of the dimensions; empty when one is negative or the product overflows int64_t; so
/// does it when only a zero hides the overflow, because strides would wrap.
[[nodiscard]] std::optional<int64_t> element_count(std::span<const int64_t> shape);
/// Bytes of a tensor; empty on overflow, or when the last dimension does not fill whole blocks.
[[nodiscard]] std::optional<int64_t> byte_count(DataType type, std::span<const int64_t> shape);

}  // namespace transformers
