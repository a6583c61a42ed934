#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/dtypes/quants.h"
#include "transformers/mapping/dialects/detail/gguf_fields.h"
#include "transformers/mapping/dialects/gguf_export.h"

namespace transformers {

namespace detail {

const Json* GgufFields::find(std::string_view field) const {
  const Json* value = config_.find(field);
  return value && !value->is_null() ? value : nullptr;
}

int64_t GgufFields::integer(std::string_view field) const {
  const Json* value = find(field);
  if (!value) refuse(field, "is missing; the whole config of the model is needed, with its defaults");
  if (!value->is_int() || value->as_int() < 0)
    refuse(field, str("is ", value->dump(), ", expected an integer of at least 0"));
  return value->as_int();
}

void GgufFields::set(std::string_view suffix, Json value) {
  const bool is_whole = suffix.starts_with("general.") || suffix.starts_with("tokenizer.");
  metadata_[is_whole ? std::string(suffix) : str(row_.name, ".", suffix)] = std::move(value);
}

bool GgufFields::has(std::string_view suffix) const { return metadata_.contains(str(row_.name, ".", suffix)); }

void GgufFields::refuse(std::string_view field, const std::string& reason) const {
  throw ValueError(str("a config of model type ", quote(row_.model_type), " cannot be written as GGUF: ", quote(field),
                       " ", reason));
}

const GgufArchitecture& gguf_architecture_for(const Json& config) {
  const auto rows = gguf_architectures();
  const std::string type = config.get("model_type", "");
  const auto* classes = config.find("architectures");
  const auto has_class = [&](const GgufArchitecture& row) {
    return classes && classes->is_array() && classes->size() > 0 && classes->as_array()[0] == Json(row.model_class);
  };
  const GgufArchitecture* found = nullptr;
  std::vector<std::string_view> known;
  for (const auto& row : rows) {
    if (row.model_type == type && (!found || (!has_class(*found) && has_class(row)))) found = &row;
    if (known.empty() || known.back() != row.model_type) known.push_back(row.model_type);
  }
  if (found) return *found;
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  throw ValueError(str("models of type ", quote(type), " cannot be written as GGUF; known are ", join(known, ", ")));
}

}  // namespace detail

namespace {

using namespace detail;  // the tables of the dialect

void check_assumed(const GgufFields& fields) {
  for (const auto& row : fields.row().assumed) {
    const Json* value = fields.find(row.field);
    const auto values = split(row.values, '|');
    if (value && std::find(values.begin(), values.end(), value->dump()) == values.end())
      fields.refuse(row.field,
                    str("is ", value->dump(), ", which the format cannot say; it means ", join(values, " or ")));
  }
}

void state_field(GgufFields& fields, const GgufField& row) {
  const Json* value = fields.find(row.field);
  if (!value) return;
  if (row.kind == GgufKind::Positive) {
    if (!value->is_number() || !std::isfinite(value->as_double()) || value->as_double() <= 0)
      fields.refuse(row.field, str("is ", value->dump(), ", expected a finite number above 0"));
    return fields.set(row.suffix, value->as_double());
  }
  if (row.kind == GgufKind::Token && value->is_array()) {  // several ends of sequence: the format has room for one
    if (value->size() == 0) return;
    value = &value->as_array()[0];
  }
  if (row.kind == GgufKind::Token && value->is_int() && value->as_int() < 0) return;  // none
  const int64_t least = row.kind == GgufKind::Token ? 0 : 1;
  if (!value->is_int() || value->as_int() < least)
    fields.refuse(row.field, str("is ", value->dump(), ", expected an integer of at least ", least));
  fields.set(row.suffix, *value);
}

// llama_ftype of llama.cpp.
struct FileType {
  DataType dtype = DataType::F32;
  int number = 0;
};
constexpr FileType kFileTypes[] = {
    {DataType::F32, 0},   {DataType::F16, 1},   {DataType::Q4_0, 2},  {DataType::Q4_1, 3},  {DataType::Q8_0, 7},
    {DataType::Q5_0, 8},  {DataType::Q5_1, 9},  {DataType::Q2_K, 10}, {DataType::Q3_K, 11}, {DataType::Q4_K, 14},
    {DataType::Q5_K, 16}, {DataType::Q6_K, 18}, {DataType::BF16, 32},
};

std::string last_part(const std::string& path) {
  const auto end = path.find_last_not_of('/');
  const auto begin = path.find_last_of('/', end);
  return end == std::string::npos ? std::string() : path.substr(begin + 1, end - begin);
}

}  // namespace

void detail::state_gguf_file_type(DataType dtype, Json& metadata) {
  const auto* row = std::find_if(std::begin(kFileTypes), std::end(kFileTypes),
                                 [&](const FileType& candidate) { return candidate.dtype == dtype; });
  if (row == std::end(kFileTypes) || !can_quantize(dtype))
    throw ValueError(str("GGUF files are not written with matrices in ", info(dtype).name));
  metadata["general.file_type"] = row->number;
  metadata["general.quantization_version"] = 2;
}

Json gguf_metadata(const Json& config, const GgufTokenizerFiles& tokenizer, const GgufExportOptions& options) {
  Json metadata = Json::object();
  const auto& row = gguf_architecture_for(config);
  GgufFields fields(config, row, metadata);
  check_assumed(fields);
  fields.set("general.architecture", row.name);
  fields.set("general.type", "model");
  auto name = options.name.empty() ? last_part(config.get("_name_or_path", config.get("_model_name_or_path", "")))
                                   : options.name;
  if (!row.only_named.empty()) name = row.only_named;  // readers tell the architecture by it
  if (!name.empty()) fields.set("general.name", name);
  state_gguf_file_type(options.dtype, metadata);
  for (const auto& field : row.fields) state_field(fields, field);
  fields.set("vocab_size", fields.integer("vocab_size"));  // llama.cpp asks for it where there is no tokenizer
  row.state(fields);
  for (const auto& field : row.fields)
    if (!field.is_optional && !fields.has(field.suffix))
      fields.refuse(field.field, "is missing; the whole config of the model is needed, with its defaults");
  for (const auto& field : gguf_token_fields()) state_field(fields, field);
  state_gguf_tokenizer(tokenizer, fields.integer("vocab_size"), metadata);
  return metadata;
}

}  // namespace transformers
