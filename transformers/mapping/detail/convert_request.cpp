#include "transformers/mapping/detail/convert_request.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/quants.h"
#include "transformers/mapping/detail/conversion.h"

namespace transformers {

namespace {

constexpr std::string_view kInt8 = "int8";

}  // namespace

namespace detail {

Wanted wanted_of(const ConvertTarget& target, const ConvertOptions& options) {
  Wanted wanted;
  if (options.dtype) {
    wanted.dtype = data_type_from_name(*options.dtype);
    if (!wanted.dtype || !is_castable(*wanted.dtype) || wanted.dtype == DataType::F64)
      throw ValueError(str("the dtype ", quote(*options.dtype), " is none of float32, float16, bfloat16"));
  }
  if (!options.quantize) return wanted;
  wanted.is_int8 = *options.quantize == kInt8 && target.name == "safetensors";
  if (wanted.is_int8) return wanted;
  const auto types = gguf_quantize_types();
  wanted.block_type = data_type_from_name(*options.quantize);
  if (target.name != "gguf" || std::find(types.begin(), types.end(), *options.quantize) == types.end())
    throw ValueError(str("the format ", target.name, " cannot hold the type ", quote(*options.quantize),
                         "; safetensors holds int8, gguf ", join(std::span<const std::string_view>(types), ", ")));
  return wanted;
}

}  // namespace detail

void check_convert_options(const std::filesystem::path& destination, const ConvertOptions& options) {
  const auto& target = detail::find_target(options);
  if (options.dtype && options.quantize)
    throw ValueError("a dtype and a type to quantise to exclude each other; give one");
  if (options.max_shard_size && target.shard_size.empty())
    throw ValueError(str("files of the format ", target.name, " are not cut into shards; leave the shard size out"));
  if (detail::is_single_file(target, destination) && (options.max_shard_size || options.variant))
    throw ValueError(str(destination, ": one file has no shards and no variant; name a folder instead"));
  detail::check_name(target, destination);
  static_cast<void>(detail::wanted_of(target, options));
}

std::vector<std::string_view> gguf_quantize_types() {
  std::vector<std::string_view> types;
  for (const auto& row : data_types())
    if (row.is_quantized && row.gguf >= 0 && can_quantize(row.type)) types.push_back(row.name);
  return types;
}

}  // namespace transformers
