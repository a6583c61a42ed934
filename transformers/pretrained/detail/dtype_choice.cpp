#include "transformers/pretrained/detail/dtype_choice.h"

#include <ATen/ops/empty_like.h>
#include <c10/core/DefaultDtype.h>

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

Dtype default_dtype() { return c10::typeMetaToScalarType(c10::get_default_dtype()); }

Dtype named_or_given(const std::variant<std::string, Dtype>& type, const std::string& where) {
  return std::visit([&](const auto& value) { return floating_type(value, where); }, type);
}

Dtype of_whole_model(const DtypeMap& map, const std::string& where) {
  auto whole = default_dtype();
  for (const auto& [part, type] : map) {
    const auto found = named_or_given(type, part.empty() ? where : str(where, " of ", quote(part)));
    if (part.empty()) whole = found;
  }
  logging::deprecated(str(where, ": a type for each part of a model is deprecated; all of it becomes ",
                          info(to_data_type(whole)).name, ", what the map has for '' or the default; give one type"));
  return whole;
}

bool is_wanted(const CheckpointEntry& entry) {
  const auto& row = info(entry.dtype);
  return row.is_floating && !row.is_quantized && row.block_bytes > 1 && to_scalar_type(entry.dtype);
}

// D03: of the first floating tensor that is wider than eight bits; else of the first tensor.
Dtype dtype_of_tensors(const CheckpointReader& reader, const std::string& where) {
  const auto entries = reader.entries();
  const auto floating = std::find_if(entries.begin(), entries.end(), is_wanted);
  if (floating != entries.end()) return floating_type(*to_scalar_type(floating->dtype), where);
  const auto first = entries.empty() ? std::nullopt : to_scalar_type(entries.front().dtype);
  return first ? floating_type(*first, where) : at::kFloat;  // block types are expanded to float32
}

Dtype automatic_dtype(const PretrainedConfig& config, const Source& source, const std::string& where) {
  const auto told = [&](Dtype dtype, std::string_view origin) {
    logging::info(str(where, " 'auto' is ", info(to_data_type(dtype)).name, ", from ", origin));
    return dtype;
  };
  if (config.dtype) {
    const auto origin = source.config_origin + ": 'dtype'";
    return told(floating_type(*config.dtype, origin), origin);
  }
  const auto* stated = source.reader->metadata().find("dtype");
  if (stated && stated->is_string()) return told(floating_type(stated->as_string(), "the index"), "the index");
  return told(dtype_of_tensors(*source.reader, where), "the weights");
}

}  // namespace

std::optional<Dtype> explicit_dtype(const std::optional<DtypeArg>& arg, const std::string& where) {
  if (!arg) return std::nullopt;
  if (const auto* map = std::get_if<DtypeMap>(&*arg)) return of_whole_model(*map, where);
  if (const auto* type = std::get_if<Dtype>(&*arg)) return floating_type(*type, where);
  const auto& name = std::get<std::string>(*arg);
  if (name == "auto") return std::nullopt;
  return floating_type(name, where);
}

DtypeArg dtype_from_json(const Json& value, std::string_view key) {
  if (value.is_string()) return value.as_string();
  if (!value.is_object()) throw TypeError(str(key, " is a ", value.type_name(), ", expected a name or a map of names"));
  DtypeMap map;
  for (const auto& [part, type] : value.as_object()) {
    if (!type.is_string())
      throw TypeError(str(key, " of ", quote(part), " is a ", type.type_name(), ", expected the name of a type"));
    map.set(part, type.as_string());
  }
  return map;
}

Dtype choose_dtype(const FromPretrainedOptions& options, const PretrainedConfig& config, const Source& source,
                   std::string_view model_class) {
  const auto where = str(model_class, ": dtype");
  if (const auto asked_for = explicit_dtype(options.dtype, where)) return *asked_for;
  return options.dtype ? automatic_dtype(config, source, where) : default_dtype();
}

Dtype dtype_of_config(PretrainedConfig& config, const std::optional<DtypeArg>& arg, const std::string& where) {
  const auto asked_for = explicit_dtype(arg, where);
  if (arg && !asked_for)
    throw ValueError(str(where, ": 'auto' is the type of weights, and from_config has none; name one or leave it out"));
  if (!asked_for) return config.dtype ? floating_type(*config.dtype, where) : default_dtype();
  config.dtype = std::string(info(to_data_type(*asked_for)).name);
  return *asked_for;
}

void keep_in_fp32(PreTrainedModel& model, Dtype dtype) {
  if (dtype != at::kHalf && dtype != at::kBFloat16) return;
  const auto& architecture = model.architecture();
  const auto is_kept = [&](const std::string& name) {
    const auto parts = split(name, '.');
    const auto has = [&](std::string_view part) { return std::find(parts.begin(), parts.end(), part) != parts.end(); };
    const auto &usual = architecture.keep_in_fp32, &strict = architecture.keep_in_fp32_strict;
    return std::any_of(strict.begin(), strict.end(), has) ||
           (dtype == at::kHalf && std::any_of(usual.begin(), usual.end(), has));
  };
  for (const auto& [name, tensor] : model.state_dict()) {
    if (tensor.scalar_type() != dtype || !is_kept(name)) continue;
    const auto wide = at::empty_like(tensor, tensor.options().dtype(at::kFloat));
    assign_tensor(model, name, wide.set_requires_grad(tensor.requires_grad()));
  }
  model.tie_weights();
}

}  // namespace transformers
