#include "transformers/nn/dtypes.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

static constexpr std::pair<DataType, c10::ScalarType> kTypes[] = {
    {DataType::Bool, c10::ScalarType::Bool},
    {DataType::U8, c10::ScalarType::Byte},
    {DataType::I8, c10::ScalarType::Char},
    {DataType::I16, c10::ScalarType::Short},
    {DataType::U16, c10::ScalarType::UInt16},
    {DataType::I32, c10::ScalarType::Int},
    {DataType::U32, c10::ScalarType::UInt32},
    {DataType::I64, c10::ScalarType::Long},
    {DataType::U64, c10::ScalarType::UInt64},
    {DataType::F16, c10::ScalarType::Half},
    {DataType::BF16, c10::ScalarType::BFloat16},
    {DataType::F32, c10::ScalarType::Float},
    {DataType::F64, c10::ScalarType::Double},
    {DataType::F8_E4M3, c10::ScalarType::Float8_e4m3fn},
    {DataType::F8_E5M2, c10::ScalarType::Float8_e5m2},
    {DataType::C64, c10::ScalarType::ComplexFloat},
};

std::optional<c10::ScalarType> to_scalar_type(DataType type) {
  for (const auto& [ours, theirs] : kTypes)
    if (ours == type) return theirs;
  return std::nullopt;
}

DataType to_data_type(c10::ScalarType type) {
  for (const auto& [ours, theirs] : kTypes)
    if (theirs == type) return ours;
  throw ValueError(str("no checkpoint format stores the type ", c10::toString(type)));
}

constexpr std::string_view kUseFloating = "; use float32, float16, bfloat16 or float64";

static bool is_computed(c10::ScalarType type) {  // float8 is floating too, and no model runs in it
  constexpr c10::ScalarType kComputed[] = {c10::kFloat, c10::kHalf, c10::kBFloat16, c10::kDouble};
  return std::find(std::begin(kComputed), std::end(kComputed), type) != std::end(kComputed);
}

c10::ScalarType floating_type(std::string_view name, std::string_view where) {
  const auto type = data_type_from_name(name);
  const auto scalar = type ? to_scalar_type(*type) : std::nullopt;
  if (scalar && is_computed(*scalar)) return *scalar;
  throw ValueError(str(where, ": the dtype ", quote(name),
                       type ? " is no floating type that models compute in" : " is not known", kUseFloating));
}

c10::ScalarType floating_type(Dtype type, std::string_view where) {
  if (is_computed(type)) return type;
  throw ValueError(
      str(where, ": the dtype ", c10::toString(type), " is no floating type that models compute in", kUseFloating));
}

}  // namespace transformers
